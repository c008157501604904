"""The order of what a key group sends."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from dataflow.errors import LostRowsError

T = TypeVar("T")


class EmissionOrder(Generic[T]):
    """Puts items into the order of their emissions (:class:`dataflow.items.windows.WholeWindows`).

    The windows of a key group come from several workers, in any order. All items of an epoch come within it.
    ``following`` is what :meth:`snapshot` returned.

    >>> order = EmissionOrder()
    >>> order.take(1, "b"), order.take(0, "a"), order.snapshot()
    ([], ['a', 'b'], 2)
    """

    def __init__(self, following: int = 0) -> None:
        self._following = following
        self._early: dict[int, T] = {}

    def take(self, emission: int, item: T) -> list[T]:
        """Add the item of an emission. Returns the items whose turn it is now."""
        self._early[emission] = item
        ready = []
        while self._following in self._early:
            ready.append(self._early.pop(self._following))
            self._following += 1
        return ready

    def snapshot(self) -> int:
        """The emission whose turn it is. Raises ``LostRowsError`` if it did not come and a later one did."""
        if self._early:
            raise _lost(self._following)
        return self._following


class ArrivalOrder(Generic[T]):
    """Puts emissions, and events that are told of when they come, into the order in which they were sent.

    ``state`` is what :meth:`snapshot` returned: how many emissions, and how many
    :class:`~dataflow.items.early.Arrived`, have had their turn.

    >>> order = ArrivalOrder()
    >>> order.emitted(0, 1, "window"), order.arrived(0, 0, "events"), order.snapshot()
    ([], ['events', 'window'], (1, 1))
    """

    def __init__(self, state: Sequence[int] = (0, 0)) -> None:
        self._emissions, self._arrivals = state
        #: By number: the number of ``Arrived`` before the emission, or of emissions before the ``Arrived``.
        self._emitted: dict[int, tuple[int, T]] = {}
        self._arrived: dict[int, tuple[int, T]] = {}

    def emitted(self, number: int, arrivals: int, item: T) -> list[T]:
        """Add an emission, with ``arrivals`` before it. Returns the items whose turn it is now."""
        self._emitted[number] = arrivals, item
        return list(self._ready())

    def arrived(self, number: int, emissions: int, item: T) -> list[T]:
        """Add an ``Arrived``, with ``emissions`` before it. Returns the items whose turn it is now."""
        self._arrived[number] = emissions, item
        return list(self._ready())

    def _ready(self) -> Iterator[T]:
        while True:
            arrived, emitted = self._arrived.get(self._arrivals), self._emitted.get(self._emissions)
            if arrived and arrived[0] <= self._emissions:
                yield self._arrived.pop(self._arrivals)[1]
                self._arrivals += 1
            elif emitted and emitted[0] <= self._arrivals:
                yield self._emitted.pop(self._emissions)[1]
                self._emissions += 1
            else:
                return

    def snapshot(self) -> tuple[int, int]:
        """How many items have had their turn. Raises ``LostRowsError`` if a later one waits."""
        if self._emitted or self._arrived:
            raise _lost(self._emissions)
        return self._emissions, self._arrivals


def _lost(emission: int) -> LostRowsError:
    return LostRowsError(
        f"the state has lost rows: emission {emission} of a key group did not come; restore a backup of the "
        "recovery store, or start with an empty one; please report it"
    )
