"""Reads known-good texts: JSON lines with the fields of the source, or Parquet with fixed columns.

Embeddings that a saved reference has are kept if they still fit: one version of one model made all of them,
of texts that ``source.mask`` masks as before.
"""

import gzip
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.decode.batch import decode_batch
from dataflow.decode.masking import masked, patterns_of
from dataflow.embed.base import invalid_vectors
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError, SourceError
from dataflow.items.embedding import embeddings
from dataflow.items.pinned import PINNED, pinned_schema
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.source.batching import raw_batch

_BOM = b"\xef\xbb\xbf"
_ADDED = ("embedding", "model", "model_version")


def read(uri: str, settings: Settings, now: datetime) -> pa.RecordBatch:
    """The texts that ``uri`` names, ``file:PATH`` or a path: rows of ``PINNED``, or of ``pinned_schema`` if
    they have embeddings that fit.

    ``settings``: the fields and the mask of the source. ``now``: the wall clock. Raises ``SettingsError`` for
    a URI that cannot be read, and ``SourceError``, which names the line, for a file that cannot be used.
    """
    path = _path(uri)
    try:
        if path.suffix == ".parquet":
            rows = _of_table(_table(path), path, settings.source.mask)
        else:
            rows = _of_lines(path, settings, now)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(f"{path}: cannot be read: {why}; name another file, or repair this one") from None
    if not len(rows):
        raise SourceError(f"{path}: holds no texts; name a file with known-good texts")
    return rows


def _path(text: str) -> Path:
    uri = parse_uri(text)
    if uri.scheme == "delta":
        raise SettingsError(
            f"{text}: a Delta table cannot be pinned yet; write its rows to Parquet, name file:PATH.parquet"
        )
    path = Path(uri.path)
    if uri.scheme != "file" or uri.authority not in ("", "localhost") or not _has_format(path):
        raise SettingsError(
            f"{text}: write file:PATH of a .jsonl or .jsonl.gz file, or of a .parquet file or folder"
        )
    uri.allow()
    return path


def _has_format(path: Path) -> bool:
    return path.name.endswith((".jsonl", ".jsonl.gz", ".parquet"))


def _of_lines(path: Path, settings: Settings, now: datetime) -> pa.RecordBatch:
    """The lines become events just as records of the source do. Only the text must be there."""
    numbers, lines = _lines(path)
    names = _names(lines)
    source = settings.source
    has_keys, has_times = source.key_field in names, source.ts_field in names
    fields = {
        "id_field": None,
        "key_field": source.key_field if has_keys else None,
        "ts_field": source.ts_field if has_times else "",
    }
    settings = settings.model_copy(update={"source": source.model_copy(update=fields)})
    raw = raw_batch(lines, numbers, str(path), now, raw_schema("jsonl"))
    decoded = decode_batch(raw, settings, now=now)
    for letter in decoded.dead_letters.slice(0, 1).to_pylist():
        raise SourceError(f"{path}: line {letter['offset']}: {letter['message']}")
    rows = decoded.events.select(PINNED.names)
    for name, is_there in (("key", has_keys), ("ts", has_times)):
        if not is_there:
            rows = rows.set_column(PINNED.get_field_index(name), PINNED.field(name), _nulls(name, len(rows)))
    return rows.cast(PINNED)


def _lines(path: Path) -> tuple[list[int], list[bytes]]:
    """The numbers of the lines that are not blank, from 1 on, and the lines."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        lines = [line.rstrip(b"\r\n") for line in file]
    lines[:1] = [line.removeprefix(_BOM) for line in lines[:1]]
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.isspace()]
    return [number for number, _ in numbered], [line for _, line in numbered]


def _names(lines: Sequence[bytes]) -> set[str]:
    """The fields that some line has, with a value."""
    names = set[str]()
    for line in lines:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # decoding says what is wrong
        if isinstance(record, dict):
            names |= {name for name, value in record.items() if value is not None}
    return names


def _table(path: Path) -> pa.Table:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise SourceError(f"{path}: no Parquet file in this folder; name another folder, or a file")
    try:
        tables = []
        for file in files:
            with pq.ParquetFile(file) as opened:
                there = opened.schema_arrow.names
                tables.append(opened.read([name for name in (*PINNED.names, *_ADDED) if name in there]))
        return pa.concat_tables(tables)
    except pa.ArrowInvalid as error:
        why = str(error).splitlines()[0]
        raise SourceError(f"{path}: cannot be read as Parquet ({why}); name another file") from None


def _of_table(table: pa.Table, path: Path, mask: tuple[str, ...]) -> pa.RecordBatch:
    if "text" not in table.column_names:
        raise SourceError(
            f"{path}: no column text; name the columns text, key and ts as in a saved reference"
        )
    columns = {
        "key": _column(table, "key", path, _is_text, "a string"),
        "ts": _column(table, "ts", path, pa.types.is_timestamp, "a timestamp"),
        "text": _column(table, "text", path, _is_text, "a string"),
    }
    keys = columns["key"]
    _refuse_null(path, "text", columns["text"], "remove the row")
    if keys.null_count < len(keys):
        _refuse_null(path, "key", keys, "give each row a key, or no row")
    columns["masked"] = masked(columns["text"], patterns_of(mask))
    rows = pa.RecordBatch.from_arrays([columns[name] for name in PINNED.names], schema=PINNED)
    return _with_embeddings(rows, table) if _fits(rows, table) else rows


def _is_text(type: pa.DataType) -> bool:
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type))


def _column(
    table: pa.Table, name: str, path: Path, is_right: Callable[[pa.DataType], bool], expected: str
) -> pa.Array:
    """A column as ``PINNED`` has it; nulls if the table does not have it."""
    if name not in table.column_names:
        return _nulls(name, len(table))
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not is_right(column.type) and not pa.types.is_null(column.type):
        raise SourceError(f"{path}: {name}: the column is {column.type}; write {expected}")
    return column.cast(PINNED.field(name).type, safe=name != "ts")


def _nulls(name: str, n: int) -> pa.Array:
    return pa.nulls(n, PINNED.field(name).type)


def _refuse_null(path: Path, name: str, column: pa.Array, remedy: str) -> None:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise SourceError(f"{path}: row {row + 1}: {name} is null; {remedy}")


def _fits(rows: pa.RecordBatch, table: pa.Table) -> bool:
    """Whether the embeddings of ``table`` can stand for the texts of ``rows``."""
    if not {"masked", *_ADDED} <= set(table.column_names):
        return False
    type = table.schema.field("embedding").type
    if not pa.types.is_fixed_size_list(type) or type.value_type != pa.float32():
        return False
    if any(table.column(name).null_count or len(table.column(name).unique()) > 1 for name in _ADDED[1:]):
        return False
    before = table.column("masked").combine_chunks().cast(pa.string())
    if not before.equals(rows.column("masked")) or table.column("embedding").null_count:
        return False
    return not invalid_vectors(embeddings(_with_embeddings(rows, table)), unit=True)


def _with_embeddings(rows: pa.RecordBatch, table: pa.Table) -> pa.RecordBatch:
    added = [table.column(name).combine_chunks() for name in _ADDED]
    schema = pinned_schema(added[0].type.list_size)
    return pa.RecordBatch.from_arrays(
        [
            *rows.columns,
            *(each.cast(schema.field(name).type) for name, each in zip(_ADDED, added, strict=True)),
        ],
        schema=schema,
    )
