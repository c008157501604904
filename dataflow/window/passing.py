"""Says how far a key group has come, for steps that wait until all key groups have come as far."""

from dataflow import settings
from dataflow.clock import NEVER
from dataflow.items.judged import Passed
from dataflow.window.kinds import grids


class Passing:
    """What was said last of a key group. Nothing of it is kept for a restart: it is said again then.

    >>> passing = Passing(settings.Window(kind="tumbling"))
    >>> [passing.note(Passed(0, minutes * 60_000_000)) is not None for minutes in (5, 9, 10, 11)]
    [True, False, True, False]
    """

    def __init__(self, options: settings.Window) -> None:
        self._grids = grids(options, 1)
        self._said = Passed(-1, NEVER)

    def note(self, passed: Passed) -> Passed | None:
        """``passed``, if a window may have ended since the last time that it was returned."""
        emissions, watermark, _ = self._said
        if passed.emissions == emissions and all(
            (passed.watermark - at) // step == (watermark - at) // step for at, step in self._grids
        ):
            return None
        self._said = passed
        return passed
