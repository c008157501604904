"""The embeddings of the rows, each number in one byte."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
#: Chunks with fewer rows are joined with those after them.
_WHOLE = 1 << 14


@dataclass(frozen=True)
class _Chunk:
    """Rows from the number ``start`` on: ``bytes``, ``(n, dim)`` int8, times ``scale``, ``(n,)``."""

    start: int
    bytes: npt.NDArray[np.int8]
    scale: Floats

    @property
    def end(self) -> int:
        return self.start + len(self.scale)


class Vectors:
    """Chunks, maybe with gaps: not all rows have embeddings. An object does not change.

    A million rows of 384 dimensions take 390 MB, a quarter of float32. The cosine of two embeddings changes
    by less than 0.01.
    """

    def __init__(self, chunks: tuple[_Chunk, ...] = ()) -> None:
        self._chunks = chunks

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def plus(self, start: int, vectors: Floats) -> "Vectors":
        """With ``vectors``, ``(n, dim)``, of the rows from the number ``start`` on."""
        scale = np.abs(vectors).max(axis=1, initial=1e-30) / 127
        chunks = [*self._chunks, _Chunk(start, np.rint(vectors / scale[:, None]).astype(np.int8), scale)]
        while len(chunks) > 1 and _fit_together(chunks[-2], chunks[-1]):
            last = chunks.pop()
            first = chunks[-1]
            joined = np.concatenate([first.bytes, last.bytes]), np.concatenate([first.scale, last.scale])
            chunks[-1] = _Chunk(first.start, *joined)
        return Vectors(tuple(chunks))

    def without(self, before: int) -> "Vectors":
        """Without the chunks whose rows all have numbers lower than ``before``."""
        return Vectors(tuple(chunk for chunk in self._chunks if chunk.end > before))

    def take(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats]:
        """The places in ``rows``, ``(n,)`` numbers of rows, that have embeddings, and these, ``(m, dim)``.

        Embeddings of another dimension than those of the first of the rows are left out.
        """
        places: list[npt.NDArray[np.int64]] = []
        found: list[Floats] = []
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        for chunk in self._chunks:
            start, end = np.searchsorted(ordered, (chunk.start, chunk.end))
            if start < end and (not found or found[0].shape[1] == chunk.bytes.shape[1]):
                at = ordered[start:end] - chunk.start
                places.append(order[start:end])
                found.append(chunk.bytes[at].astype(np.float32) * chunk.scale[at, None])
        if not found:
            return np.empty(0, np.int64), np.empty((0, 0), np.float32)
        return np.concatenate(places), np.concatenate(found)


def _fit_together(first: _Chunk, last: _Chunk) -> bool:
    few = len(first.scale) < min(2 * len(last.scale), _WHOLE)
    return few and first.end == last.start and first.bytes.shape[1] == last.bytes.shape[1]
