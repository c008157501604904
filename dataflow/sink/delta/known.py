"""The rows that a Delta table has already, although the last snapshot of the sink does not cover them."""

import hashlib
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.errors import SourceError
from dataflow.items.schemas import TIMESTAMP
from dataflow.sink import Stream
from dataflow.sink.encoding import IDENTITY, row_ids

_DIGEST_BYTES = 16


class KnownRows:
    """Rows of ``stream`` by their identities, each as often as the table has it.

    ``packed``: what :meth:`pack` returned.
    """

    def __init__(self, stream: Stream, packed: bytes = b"") -> None:
        self._stream = stream
        starts = range(0, len(packed), _DIGEST_BYTES)
        self._rows = Counter(packed[start : start + _DIGEST_BYTES] for start in starts)

    def pack(self) -> bytes:
        """The identities as bytes, for a snapshot."""
        return b"".join(sorted(self._rows.elements()))

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the rows of ``batch``, which has at least the columns of an identity."""
        self._rows.update(_digests(batch, self._stream))

    def without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of ``batch`` that are not known. A known row is forgotten when it comes."""
        if not self._rows or not len(batch):
            return batch
        new = np.ones(len(batch), bool)
        for row, digest in enumerate(_digests(batch, self._stream)):
            if self._rows[digest] > 0:
                self._rows[digest] -= 1
                new[row] = False
        self._rows = +self._rows
        return batch.filter(pa.array(new))


def _digests(batch: pa.RecordBatch, stream: Stream) -> list[bytes]:
    return [hashlib.blake2b(each, digest_size=_DIGEST_BYTES).digest() for each in row_ids(batch, stream)]


def rows_after(
    where: Location, files: pafs.FileSystem, newest: int, app: str, number: int, stream: Stream
) -> Iterator[pa.RecordBatch]:
    """The identities of the rows that ``app`` appended in transactions after ``number``.

    Reads the log back from version ``newest``, and the files of these commits, even if ``OPTIMIZE`` has
    replaced them since. Raises ``SourceError`` if the log or a file is no longer there.
    """
    for version in range(newest, -1, -1):
        actions = delta.read_commit(files, where, version)
        if actions is None:
            raise _gone(where, f"the commit of version {version}")
        numbers = [a["txn"]["version"] for a in actions if "txn" in a and a["txn"]["appId"] == app]
        if numbers and numbers[0] > number:
            for action in actions:
                if "add" in action:
                    yield from _identities(where, files, action["add"]["path"], stream)
        if numbers and numbers[0] <= number + 1:
            return


def _identities(
    where: Location, files: pafs.FileSystem, path: str, stream: Stream
) -> Iterator[pa.RecordBatch]:
    try:
        with delta.explained(where), files.open_input_file(delta.file_path(path)) as file:
            table = pq.read_table(file, columns=list(IDENTITY[stream]))
    except FileNotFoundError:
        raise _gone(where, f"the file {path}") from None
    types = [TIMESTAMP if pa.types.is_timestamp(each.type) else each.type for each in table.schema]
    yield from table.cast(pa.schema(zip(table.column_names, types, strict=True))).to_batches()


def _gone(where: Location, what: str) -> SourceError:
    return SourceError(
        f"{where.text}: {what} was cleaned up, and says which rows the last snapshot does not cover; restore "
        "the recovery store that fits the table, or name another table"
    )
