"""Objects that gauges describe for as long as the objects live.

Counters count where something happens. State is different: it comes and goes with its keys, is loaded from
snapshots, and is spread over workers. So the objects that hold state register here, and a gauge asks those
that still exist when Prometheus scrapes the process, in a thread of Prometheus's own.
"""

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class LiveObjects(Generic[T]):
    """The objects of one kind that still exist. Threads may share it."""

    def __init__(self) -> None:
        self._references: set[weakref.ref[T]] = set()
        # Stored, so that all references share one bound method; Python makes a new one at each access.
        self._forget = self._references.discard

    def add(self, member: T) -> T:
        """Register ``member``, and return it."""
        self._references.add(weakref.ref(member, self._forget))
        return member

    def __iter__(self) -> Iterator[T]:
        # list() copies the set in one step of the interpreter, so that other threads may change the set.
        return (member for reference in list(self._references) if (member := reference()) is not None)


def known(values: Iterable[int | None], reduce: Callable[[list[int]], int] = sum) -> float:
    """``reduce`` over the values that are not ``None``; NaN if there are none."""
    found = [value for value in values if value is not None]
    return reduce(found) if found else math.nan
