"""Scored rows in a file of JSON lines."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from dataflow.backtest.columns import known_fields
from dataflow.backtest.of_parquet import BATCH_ROWS
from dataflow.errors import SourceError
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Provenance

_Row = Mapping[str, Any]


class LineRows:
    """The rows of a ``.jsonl`` file of ``sink.scores``. The last line may be incomplete: a flow writes it.

    ``name``, ``files``: the file. ``folder``: where other output of the same run may be. ``schema``: the
    columns of the first row. ``made_by``: lines do not say which settings made them. Raises ``SourceError``.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.name, self.files, self.folder = path, str(path), [path], str(path.parent)
        self.made_by: Provenance | None = None
        first = next(self._rows(), None)
        if first is None:
            raise SourceError(f"{path}: has no rows; record a flow until it has scored events")
        _, row = first
        vector = row.get("embedding")
        known = known_fields(len(vector) if isinstance(vector, list) else 0)
        self.schema = pa.schema([known[name] for name in row if name in known])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See :meth:`Recorded.batches`."""
        schema, rows = pa.schema([self.schema.field(name) for name in columns]), self._rows()
        while some := list(islice(rows, BATCH_ROWS)):
            yield self._batch(some, schema)

    def _rows(self) -> Iterator[tuple[int, _Row]]:
        """The number of each line, and its row."""
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):
                        yield number, self._row(number, line)
        except OSError as error:
            raise SourceError(f"{self._path}: cannot be read: {error.strerror}") from None

    def _row(self, number: int, line: bytes) -> _Row:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            raise SourceError(f"{self._path}, line {number}: not a JSON object; name the file of sink.scores")
        return row

    def _batch(self, rows: Sequence[tuple[int, _Row]], schema: pa.Schema) -> pa.RecordBatch:
        columns = []
        for field in schema:
            try:
                columns.append(_column(field, [row[field.name] for _, row in rows]))
            except (pa.ArrowException, KeyError, TypeError, ValueError):
                number = next(number for number, row in rows if not _fits(field, row))
                raise SourceError(
                    f"{self._path}, line {number}: {field.name} is not what sink.scores writes; name a file "
                    "of one run"
                ) from None
        return pa.RecordBatch.from_arrays(columns, schema=schema)


def _fits(field: pa.Field, row: _Row) -> bool:
    try:
        _column(field, [row[field.name]])
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        return False
    return True


def _column(field: pa.Field, values: list[Any]) -> pa.Array:
    """The values of a column as JSON has them. Raises ``ValueError`` and others if their type is another."""
    if pa.types.is_fixed_size_list(field.type):
        width, numbers = field.type.list_size, np.array(values, np.float32)
        return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(len(values) * width)), width)
    if field.name == "attributes":
        return pa.array([orjson.dumps(value).decode() for value in values], pa.string())
    if pa.types.is_struct(field.type):
        return pa.array([None if value is None else _explanation(value) for value in values], field.type)
    is_time = field.type == TIMESTAMP
    found = pa.array(values, pa.string()).cast(TIMESTAMP) if is_time else pa.array(values, field.type)
    if found.null_count and not field.nullable:
        raise ValueError(f"{field.name} is null")
    return found


def _explanation(value: _Row) -> dict[str, Any]:
    at = value["nearest_ts"]
    micros = None if at is None else int(np.datetime64(at.removesuffix("Z"), "us").astype(np.int64))
    return {**value, "nearest_ts": micros}
