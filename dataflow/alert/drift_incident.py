"""An incident of drift: windows of one key that differ from what came before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass
class DriftIncident:
    """An incident of ``key``. Times are microseconds since the Unix epoch, UTC.

    ``id``: the same on each replay. ``state``: one of ``ALERT_STATES``. ``sequence``: the number of the next
    row. ``last``: when the last window was decided. The others are columns of ``ALERT``.
    """

    kind: ClassVar[str] = "drift"
    cluster: ClassVar[int] = -1
    merged_into: ClassVar[str | None] = None
    unnamed: ClassVar[int] = 0

    id: str
    key: str
    last: int
    window_start: int
    window_end: int
    first_ts: int
    last_ts: int
    message: str
    examples: tuple[Mapping[str, Any], ...]
    state: str = "open"
    sequence: int = 0
    count: int = 0
    peak: float = 0.0
    threshold: float = 0.0
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether windows join it. Windows open a closed incident again while it cools down."""
        return self.state in ("open", "updated", "reopened")

    @property
    def is_told(self) -> bool:
        """Whether there is a row about the last window: the first, and the 2nd, 4th, 8th, and so on.

        A stream that changed for good drifts for as long as the reference knows the time before.
        """
        return self.count & (self.count - 1) == 0
