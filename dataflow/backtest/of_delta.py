"""Scored rows in a Delta table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.backtest.columns import known_fields
from dataflow.backtest.of_parquet import BATCH_ROWS
from dataflow.endpoints import delta
from dataflow.endpoints.delta_rows import TableRows
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError
from dataflow.settings import Provenance, Settings, of_metadata

#: The key of the metadata of a commit, as ``sink.scores`` writes it.
_SETTINGS = "driftline.settings"


class DeltaRows:
    """The rows that the table has when it is opened.

    ``name``: the table. ``files``: its folder, if that is on this machine. ``folder``: where other output of
    the same run may be, as a URI. ``made_by``: what all commits say of the settings; ``None``: they differ,
    or the log was cleaned up. Raises ``SettingsError``, ``SourceError`` and ``UnreachableError``.
    """

    def __init__(self, uri: Uri, settings: Settings) -> None:
        uri.allow()
        self._where = where = delta.location(settings, uri)
        self.name = where.text
        self.files = [Path(where.url)] if where.local else []
        self.folder = str(Path(where.url).parent) if where.local else f"delta:{where.url.rpartition('/')[0]}"
        table = delta.open_table(where)
        self._rows = TableRows(where, table)
        self._store = where.file_system()
        names = self._rows.schema.names
        dim = self._dim() if "embedding" in names else 0
        known = known_fields(dim)
        self.schema = pa.schema([known[name] for name in names if name in known])
        self.made_by = self._made_by(table)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See :meth:`Recorded.batches`."""
        schema = pa.schema([self.schema.field(name) for name in columns])
        for path, batch in self._rows.batches(self._store, columns, BATCH_ROWS):
            try:
                yield batch.cast(schema)
            except pa.ArrowException as error:
                raise SourceError(
                    f"{self.name}: {path} has other columns than sink.scores writes: {error}"
                ) from None

    def _dim(self) -> int:
        for _, batch in self._rows.batches(self._store, ["embedding"], 1):
            if len(batch):
                return int(pc.list_value_length(batch.column("embedding"))[0].as_py() or 0)
        raise SourceError(f"{self.name}: has no rows; record a flow until it has scored events")

    def _made_by(self, table: Any) -> Provenance | None:
        with delta.explained(self._where):
            history = table.history()
        said = [commit.get(_SETTINGS) for commit in history if commit.get("operation") == "WRITE"]
        is_whole = any(commit["version"] == 0 for commit in history)
        if not said or not is_whole or any(each != said[0] for each in said):
            return None
        return of_metadata({_SETTINGS.encode(): str(said[0]).encode()} if said[0] else None)
