"""How many new incidents took from a budget in the last day."""

from collections.abc import Callable, Mapping, Sequence

_DAY_US = 86_400_000_000
#: The openings of a key without windows are forgotten after this time.
_FORGET_US = 28 * _DAY_US


class Openings:
    """The new incidents of the last day, by the key that has a budget; or of all keys, that share one.

    ``per_key``: whether each key has a budget of its own. ``state`` is what :meth:`snapshot` returned. All
    times are microseconds of event time since the Unix epoch, UTC.

    >>> openings = Openings(per_key=True)
    >>> openings.counted("a", 5, lambda: True)()
    True
    >>> openings.in_day("a", 6), openings.in_day("a", 5 + _DAY_US), openings.in_day("b", 6)
    (1, 0, 0)
    """

    def __init__(self, *, per_key: bool, state: Mapping[str, Sequence[int]] | None = None) -> None:
        self._per_key = per_key
        self._times = {scope: list(times) for scope, times in (state or {}).items()}

    def snapshot(self) -> dict[str, list[int]]:
        """The state as plain data."""
        return {scope: list(times) for scope, times in self._times.items()}

    def counted(self, key: str, at: int, may_open: Callable[[], bool]) -> Callable[[], bool]:
        """``may_open``, which asks the budget of ``key`` at ``at``, so that each new incident is counted."""

        def ask() -> bool:
            allowed = may_open()
            if allowed:
                self._add(self._scope(key), at)
            return allowed

        return ask

    def in_day(self, key: str, at: int) -> int:
        """How many new incidents took from the budget of ``key`` in the 24 hours up to ``at``."""
        return sum(at - _DAY_US < time <= at for time in self._times.get(self._scope(key), ()))

    def _scope(self, key: str) -> str:
        return key if self._per_key else ""

    def _add(self, scope: str, at: int) -> None:
        kept = [time for time in self._times.get(scope, ()) if at - time < _DAY_US]
        self._times[scope] = [*kept, at]
        for other in [name for name, times in self._times.items() if at - times[-1] > _FORGET_US]:
            del self._times[other]
