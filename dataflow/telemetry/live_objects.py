"""Objects that show in gauges for as long as they live."""

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class LiveObjects(Generic[T]):
    """The objects of a kind that somebody still holds. Safe to share between threads."""

    def __init__(self) -> None:
        self._references: set[weakref.ref[T]] = set()
        # One for all: a bound method is made anew each time that it is asked for.
        self._forget = self._references.discard

    def add(self, member: T) -> T:
        self._references.add(weakref.ref(member, self._forget))
        return member

    def __iter__(self) -> Iterator[T]:
        # list() copies the set in one go, so that other threads may change it meanwhile.
        return (member for reference in list(self._references) if (member := reference()) is not None)


def known(values: Iterable[int | None], put_together: Callable[[list[int]], int] = sum) -> float:
    """NaN if none is known."""
    known = [value for value in values if value is not None]
    return put_together(known) if known else math.nan
