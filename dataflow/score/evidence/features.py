"""What evidence needs to know of an event, once its window is whole."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.fixed import Fixed
from dataflow.items.hashes import Hashes
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.near import Near

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Features:
    """``n`` events with what their windows say of them.

    ``vectors``: ``(n, dim)``. ``near``: of ``n`` events. ``forms``: ``(n,)``, the hash of the masked text.
    ``alike``: ``(n,)`` int64, how many events of the window have this form, the event itself included.
    ``sizes``: ``(n,)`` int64, how many events the window has. ``starts``, ``ends``: ``(n,)`` int64, the
    window. ``ts``: ``(n,)`` int64, the event time. ``priority``: ``(n,)`` float64
    (:func:`~dataflow.score.evidence.members.priorities`). ``scores``: ``(n,)`` float64, of ``score.kind``.
    ``texts``: ``(n,)`` of ``str``, not masked. All times are microseconds since the Unix epoch, UTC.
    """

    vectors: Fixed
    near: Near
    forms: Hashes
    alike: Int64s
    sizes: Int64s
    starts: Int64s
    ends: Int64s
    ts: Int64s
    priority: Doubles
    scores: Doubles
    texts: Texts

    def __len__(self) -> int:
        return len(self.forms)

    def take(self, which: Any) -> "Features":
        """The events at ``which``: a slice, indices, or ``(n,)`` bools."""
        return Features(
            self.vectors[which],
            Near(*(column[which] for column in self.near)),
            *(getattr(self, name)[which] for name in _COLUMNS),
        )

    @staticmethod
    def none(dim: int, width: int) -> "Features":
        """No events, with ``dim`` dimensions and ``width`` near events each."""
        whole, real = np.empty(0, np.int64), np.empty(0)
        near, forms = Near(np.empty((0, width), np.int32), whole), np.empty(0, np.uint64)
        vectors = np.empty((0, dim), np.int16)
        texts = np.empty(0, np.object_)
        return Features(vectors, near, forms, whole, whole, whole, whole, whole, real, real, texts)

    @staticmethod
    def concat(parts: Sequence["Features"]) -> "Features":
        """All events of ``parts``, at least one."""
        near = Near(*map(np.concatenate, zip(*(part.near for part in parts), strict=True)))
        columns = (np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS)
        return Features(np.concatenate([part.vectors for part in parts]), near, *columns)

    def batch(self) -> pa.RecordBatch:
        """The events as a batch, for a snapshot. :meth:`of` makes them of it again.

        >>> nothing = Features.none(2, 16)
        >>> len(Features.of(nothing.batch()))
        0
        """
        matrices: dict[str, Any] = {"vectors": self.vectors, "near": self.near.squares}
        columns: dict[str, Any] = {
            name: pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])
            for name, matrix in matrices.items()
        }
        columns["others"] = self.near.others
        columns["texts"] = pa.array(self.texts, pa.string())
        return pa.record_batch(columns | {name: getattr(self, name) for name in _COLUMNS[:-1]})

    @staticmethod
    def of(batch: pa.RecordBatch) -> "Features":
        """The events of a batch that :meth:`batch` made."""
        vectors, squares = (_matrix(batch.column(name)) for name in ("vectors", "near"))
        others, *rest = (
            batch.column(name).to_numpy(zero_copy_only=name != "texts") for name in ("others", *_COLUMNS)
        )
        return Features(vectors, Near(squares, others), *rest)


_COLUMNS = tuple(field.name for field in fields(Features))[2:]


def _matrix(column: pa.Array) -> Any:
    return column.flatten().to_numpy().reshape(len(column), column.type.list_size)
