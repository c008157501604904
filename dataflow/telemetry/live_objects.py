"""Objects that gauges describe for as long as the objects live.

A counter can be increased where something happens. A gauge of state cannot: state comes and goes with its
keys, is loaded from snapshots, and is spread over workers. So each object that holds state registers here.
When Prometheus scrapes the process, a gauge reads the objects that still exist, in a thread of the Prometheus
client.
"""

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class LiveObjects(Generic[T]):
    """The objects of one kind that still exist. Safe to share between threads."""

    def __init__(self) -> None:
        self._references: set[weakref.ref[T]] = set()
        # Python makes a new bound method at each access; all references share the stored one.
        self._forget = self._references.discard

    def add(self, member: T) -> T:
        """Register ``member``, and return it."""
        self._references.add(weakref.ref(member, self._forget))
        return member

    def __iter__(self) -> Iterator[T]:
        # list() copies the set in one step of the interpreter, so another thread cannot change the set
        # meanwhile.
        return (member for reference in list(self._references) if (member := reference()) is not None)


def known(values: Iterable[int | None], reduce: Callable[[list[int]], int] = sum) -> float:
    """``reduce`` applied to the values that are not ``None``; NaN if all are ``None``.

    >>> known([1, None, 2])
    3
    >>> known([None])
    nan
    """
    found = [value for value in values if value is not None]
    return reduce(found) if found else math.nan
