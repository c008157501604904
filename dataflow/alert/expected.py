"""Events that people expect: they resemble a mark, and do not alert."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from dataflow.alert.window_events import WindowEvents
from dataflow.items.likeness import Likeness


class Expected:
    """Which events are expected, and how many incidents they would have been.

    What a mark keeps quiet counts as one incident for the threshold, until none of it has come for
    ``quiet_us``. Else the threshold would fall, and others would alert in place of what is expected.

    ``likeness``: what people marked. ``state`` is what :meth:`snapshot` returned.
    """

    def __init__(
        self, likeness: Likeness, quiet_us: int, state: Iterable[tuple[str, Mapping[str, int]]] = ()
    ) -> None:
        self._likeness, self._quiet_us = likeness, quiet_us
        #: Key -> mark -> when the last event was decided that would have alerted.
        self._last: dict[str, dict[str, int]] = {key: dict(marks) for key, marks in state}

    def snapshot(self) -> list[tuple[str, dict[str, int]]]:
        """The state as plain data."""
        return [(key, dict(marks)) for key, marks in self._last.items()]

    def of(self, key: str, events: WindowEvents, model: str | None) -> Sequence[str | None]:
        """For each event the mark that it resembles; ``None``: it is not expected."""
        return self._likeness.expected(key, events.at, model, events.vectors)

    def begun(self, key: str, marks: Collection[str], at: int) -> int:
        """How many incidents begin with events of ``key`` that would have alerted at ``at``. ``marks``: those
        that the events resemble.
        """
        known = self._last.setdefault(key, {})
        new = set(marks) - known.keys()
        known |= dict.fromkeys(sorted(marks), at)
        return len(new)

    def pass_time(self, at: int, keys: Collection[str] | None) -> None:
        """Forget the incidents of ``keys`` that are over; ``None``: of all keys."""
        for key in [key for key in self._last if keys is None or key in keys]:
            marks = {mark: last for mark, last in self._last[key].items() if at - last <= self._quiet_us}
            if marks:
                self._last[key] = marks
            else:
                del self._last[key]
