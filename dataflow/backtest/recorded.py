"""Recorded rows: the scored rows that a flow wrote with ``sink.embeddings``, wherever they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dataflow.backtest import of_delta, of_lines, of_parquet
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError, SourceError
from dataflow.items.schemas import POSITION, SCORED
from dataflow.settings import Provenance, Settings


@dataclass(frozen=True)
class Recorded:
    """Scored rows. ``name``: of the rows in errors. ``files``: those of this machine that hold them.
    ``folder``: where other output of the same run may be, as a URI without options. ``schema``: columns of
    ``SCORED``, ``EVIDENCE`` and others. ``made_by``: the settings that made the rows; ``None``: not all rows
    say the same, or none says it. ``read``: see :meth:`batches`.
    """

    name: str
    files: Sequence[Path]
    folder: str
    schema: pa.Schema
    made_by: Provenance | None
    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]

    @property
    def dim(self) -> int:
        """The number of dimensions of the embeddings."""
        found: int = self.schema.field("embedding").type.list_size
        return found

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """These columns of all rows, in the order in which the rows were written. Raises ``SourceError``."""
        return self.read(columns)


def open_recorded(uri: str, settings: Settings | None = None) -> Recorded:
    """The rows at ``uri``: ``delta:`` and a table, or ``file:`` and the path of a Parquet file, of a folder
    of Parquet files, of a ``.jsonl`` file, or of a folder that has ``scores.parquet`` or ``scores.jsonl``.
    ``settings`` have the options of an object store. Raises ``SettingsError`` or ``SourceError``.
    """
    parsed = parse_uri(uri)
    if parsed.scheme == "delta":
        return _recorded(of_delta.DeltaRows(parsed, settings or Settings()))
    if parsed.scheme != "file" or parsed.authority not in ("", "localhost") or not parsed.path:
        raise SettingsError(f"{uri}: write delta:PATH, or file:PATH of Parquet files or of a .jsonl file")
    parsed.allow()
    path = Path(parsed.path)
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    lines = _lines(path)
    return _recorded(of_parquet.ParquetRows(path) if lines is None else of_lines.LineRows(lines))


def _lines(path: Path) -> Path | None:
    """The file of JSON lines that ``path`` names; ``None``: it names none."""
    if path.is_file():
        return path if path.suffix == ".jsonl" else None
    has_parquet = (path / "scores.parquet").exists() or any(path.glob("*.parquet"))
    found = path / "scores.jsonl"
    return found if found.is_file() and not has_parquet else None


def _recorded(rows: of_delta.DeltaRows | of_lines.LineRows | of_parquet.ParquetRows) -> Recorded:
    for name in (*SCORED.names, "embedding"):
        # Rows of an older version do not say where the source had the record.
        if name not in (*rows.schema.names, *POSITION):
            raise SourceError(f"{rows.name}: has no column {name!r}; {_advice(name)}")
    return Recorded(rows.name, rows.files, rows.folder, rows.schema, rows.made_by, rows.batches)


def _advice(column: str) -> str:
    if column == "embedding":
        return "run the flow with sink.embeddings = true"
    return "name the rows of sink.scores"
