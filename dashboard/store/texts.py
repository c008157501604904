"""The texts of the rows, in Arrow batches that grow together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: The columns that are kept here. The others are numbers that rows are chosen or sorted by.
TEXT_COLUMNS = (
    "id",
    "text",
    "text_length",
    "model",
    "attributes",
    "explanation",
    "partition",
    "offset",
)
#: Batches with fewer rows and bytes are joined with those after them.
_WHOLE, _WHOLE_BYTES = 1 << 16, 16 << 20


Numbers: TypeAlias = "Sequence[int] | npt.NDArray[np.int64]"


@dataclass(frozen=True)
class Chunk:
    """``batch``: the rows with the numbers ``start`` to ``end``, the end excluded."""

    start: int
    batch: pa.RecordBatch

    @property
    def end(self) -> int:
        """The number after the last row."""
        return self.start + len(self.batch)


class Texts:
    """Chunks without gaps. An object does not change: :meth:`plus` and :meth:`without` return another one."""

    def __init__(self, chunks: tuple[Chunk, ...] = ()) -> None:
        self.chunks = chunks
        self.nbytes = sum(chunk.batch.nbytes for chunk in chunks)

    def plus(self, start: int, batch: pa.RecordBatch) -> "Texts":
        """With ``batch``, whose first row has the number ``start``, at the end."""
        chunks = [*self.chunks, Chunk(start, batch)]
        while len(chunks) > 1 and _fit_together(chunks[-2].batch, chunks[-1].batch):
            last = chunks.pop()
            joined = pa.concat_batches([chunks[-1].batch, last.batch])
            chunks[-1] = Chunk(chunks[-1].start, joined)
        return Texts(tuple(chunks))

    def without(self, before: int) -> "Texts":
        """Without the chunks whose rows all have numbers lower than ``before``."""
        return Texts(tuple(chunk for chunk in self.chunks if chunk.end > before))

    def take(
        self, rows: "Sequence[int] | npt.NDArray[np.int64]", columns: Sequence[str] = TEXT_COLUMNS
    ) -> pa.Table:
        """These columns of the rows with these numbers, in their order."""
        wanted = np.asarray(rows, np.int64)
        of_chunk = np.searchsorted([chunk.start for chunk in self.chunks], wanted, "right") - 1
        parts, places = [], []
        for number in np.unique(of_chunk):
            place = np.flatnonzero(of_chunk == number)
            chunk = self.chunks[number]
            parts.append(chunk.batch.select(list(columns)).take(pa.array(wanted[place] - chunk.start)))
            places.append(place)
        if not parts:
            return pa.table({name: pa.array([], pa.string()) for name in columns})
        back = np.argsort(np.concatenate(places), kind="stable")
        return pa.Table.from_batches(parts).take(pa.array(back))


def _fit_together(first: pa.RecordBatch, last: pa.RecordBatch) -> bool:
    return len(first) < min(2 * len(last), _WHOLE) and first.nbytes + last.nbytes < _WHOLE_BYTES
