"""Which events resemble a text that people marked."""

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple, Protocol

import numpy as np

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import LENGTH, Fixed, Squares, squared
from dataflow.marks.line import Mark
from dataflow.telemetry import metrics

#: What counts at so many ends of windows is kept: the stages are not at the same one.
_MOMENTS = 8
#: Events are compared so many at a time.
_BLOCK = 4096
#: Farther than any two embeddings.
_FAR = np.iinfo(np.int32).max


class Store(Protocol):
    """Where marks are. Other processes write them."""

    #: Those that were read. Of marks with one name and one ``ts``, the later one counts.
    marks: tuple[Mark, ...]

    def look(self) -> bool:
        """Read the marks again if they have changed. Returns whether they were read."""


class Vectors(Protocol):
    """The embeddings of the texts of marks."""

    def of(self, texts: Iterable[str], model: str) -> Mapping[str, Fixed]:
        """Text -> its embedding by ``model``, ``(dim,)``. Texts without one are left out."""


def counting(lines: Iterable[Mark], at: int) -> list[Mark]:
    """The marks that count for windows that end at ``at``, sorted by name."""
    latest: dict[str, Mark] = {}
    for line in lines:
        if line.first <= at and (line.name not in latest or latest[line.name].first <= line.first):
            latest[line.name] = line
    return [latest[name] for name in sorted(latest) if latest[name].mark != "none" and at < latest[name].end]


class _Marked(NamedTuple):
    """``m`` marks: their names, ``(m, dim)`` embeddings, ``(m,)`` squares of radiuses."""

    names: list[str]
    vectors: Fixed
    limits: Int64s

    def nearest(self, vectors: Fixed, *, limited: bool) -> tuple[Squares, Int64s]:
        """``(n,)`` each: the squared distance of each event to its nearest mark, and the place of the mark.

        ``limited``: only marks that have the event within their radius; ``_FAR``: none has.
        """
        best, place = np.full(len(vectors), _FAR, np.int32), np.zeros(len(vectors), np.int64)
        if self.names:
            for at in range(0, len(vectors), _BLOCK):
                squares = squared(vectors[at : at + _BLOCK], self.vectors)
                if limited:
                    squares[squares > self.limits] = _FAR
                place[at : at + _BLOCK] = squares.argmin(axis=1)
                best[at : at + _BLOCK] = squares.min(axis=1)
        return best, place


class _Scope(NamedTuple):
    """The marks that count for a key."""

    expected: _Marked
    real: _Marked


class Marks:
    """A :class:`~dataflow.items.likeness.Likeness` to the marks in ``store``.

    - An event resembles a mark ``expected`` if it is within the radius of the mark, and no mark ``real`` is
      as near. The radius is the distance of the mark to the nearest usual text (``nearest``), between half of
      ``radius`` and ``radius``; half of ``radius`` if the mark does not know that text.
    - An event resembles a mark ``real`` if it is within half of ``radius``, and no mark ``expected`` is
      nearer.

    ``radius``: ``alert.radius``. Distances are those of unit embeddings.
    """

    def __init__(self, store: Store, vectors: Vectors, radius: float) -> None:
        self._store, self._vectors = store, vectors
        self._most, self._least = (int((each * LENGTH) ** 2) for each in (radius, radius / 2))
        self._lock = Lock()
        #: The end of a window -> the marks that count.
        self._counting: dict[int, list[Mark]] = {}
        #: The end of a window, the key and the model -> the marks that count for the key.
        self._scopes: dict[tuple[int, str | None, bool, str], _Scope] = {}

    def expected(self, key: str, at: int, model: str | None, vectors: Fixed) -> Sequence[str | None]:
        """See :meth:`Likeness.expected`."""
        scope = self._scope(key, at, model)
        if not scope.expected.names:
            return [None] * len(vectors)
        best, place = scope.expected.nearest(vectors, limited=True)
        is_real = scope.real.nearest(vectors, limited=False)[0] <= best
        found = zip(best < _FAR, is_real, place.tolist(), strict=True)
        return [scope.expected.names[mark] if near and not real else None for near, real, mark in found]

    def real(self, key: str | None, at: int, model: str | None, vectors: Fixed) -> Bools:
        """See :meth:`Likeness.real`."""
        scope = self._scope(key, at, model)
        best, _ = scope.real.nearest(vectors, limited=True)
        if not scope.real.names:
            return np.zeros(len(vectors), np.bool_)
        found: Bools = (best < _FAR) & (best <= scope.expected.nearest(vectors, limited=False)[0])
        return found

    def _scope(self, key: str | None, at: int, model: str | None) -> _Scope:
        with self._lock:
            if self._store.look():
                self._counting, self._scopes = {}, {}
            if at not in self._counting:
                self._remember(at)
            marks = self._counting[at]
            if not marks or model is None:
                return _NOTHING
            has_own = any(mark.key == key for mark in marks)
            place = (at, key if has_own else None, key is None, model)
            if place not in self._scopes:
                mine = [mark for mark in marks if key is None or mark.key in (None, key)]
                self._scopes[place] = self._embedded(mine, model)
            return self._scopes[place]

    def _remember(self, at: int) -> None:
        if len(self._counting) >= _MOMENTS:
            oldest = next(iter(self._counting))
            del self._counting[oldest]
            self._scopes = {place: scope for place, scope in self._scopes.items() if place[0] != oldest}
        self._counting[at] = counting(self._store.marks, at)
        for kind, gauge in metrics.MARKS_COUNTING.items():
            gauge.set(sum(mark.mark == kind for mark in self._counting[at]))

    def _embedded(self, marks: Sequence[Mark], model: str) -> _Scope:
        texts = [text for mark in marks for text in (mark.text, mark.nearest) if text is not None]
        vectors = self._vectors.of(texts, model)
        there = [mark for mark in marks if mark.text in vectors]
        return _Scope(*(self._of_kind(kind, there, vectors) for kind in ("expected", "real")))

    def _of_kind(self, kind: str, marks: Sequence[Mark], vectors: Mapping[str, Fixed]) -> _Marked:
        mine = [mark for mark in marks if mark.mark == kind]
        if not mine:
            return _NONE
        from scipy.sparse.csgraph import connected_components  # noqa: PLC0415  takes a second to import

        limits = [self._limit(mark, vectors) for mark in mine]
        stacked = np.stack([vectors[str(mark.text)] for mark in mine])
        _, group = connected_components(squared(stacked, stacked) <= self._most, directed=False)
        # Marks are sorted by name.
        first = np.unique(group, return_index=True)[1]
        return _Marked([mine[first[each]].name for each in group], stacked, np.array(limits, np.int64))

    def _limit(self, mark: Mark, vectors: Mapping[str, Fixed]) -> int:
        """The square of the radius of a mark."""
        usual = vectors.get(str(mark.nearest))
        if mark.mark == "real" or usual is None:
            return self._least
        apart = int(squared(vectors[str(mark.text)][None], usual[None])[0, 0])
        return min(max(apart, self._least), self._most)


_NONE = _Marked([], np.empty((0, 0), np.int16), np.empty(0, np.int64))
_NOTHING = _Scope(_NONE, _NONE)
