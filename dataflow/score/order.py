"""The order of the emissions of a key group."""

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
            raise LostRowsError(
                f"the state has lost rows: emission {self._following} of a key group did not come; restore a "
                "backup of the recovery store, or start with an empty one; please report it"
            )
        return self._following
