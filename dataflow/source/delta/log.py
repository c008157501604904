"""Reads from the log of a Delta table which data files a version added.

The log is read as the protocol of Delta Lake describes it (https://github.com/delta-io/delta/blob/master/PROTOCOL.md):
a commit is a file of JSON lines, one action in each line. ``deltalake`` 1.6.6 has no call that returns the
files of one version without the list of all files of the table. ``load_cdf`` has none for tables without a
change data feed, and does not say where in a file a row is.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from dataflow.endpoints import delta
from dataflow.endpoints.delta import Action, Location
from dataflow.endpoints.delta_rows import files_of
from dataflow.errors import SourceError, UnreachableError
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


class DataFile(NamedTuple):
    """A file of a table. ``path``: in the table. ``values``: those of the partition columns."""

    path: str
    values: Mapping[str, pa.Scalar]


@dataclass
class TableLog:
    """The log of one table, which was at version ``newest`` when it was opened.

    ``identity``: of the table; another table at this place is refused. ``schema``: the columns of the table;
    a later version may change them. ``check_columns`` raises an error if the columns no longer fit the
    settings. ``skip``: versions that remove or rewrite rows bring nothing, and are not refused.
    """

    where: Location
    files: pafs.FileSystem
    identity: str
    newest: int
    schema: pa.Schema
    check_columns: Callable[[pa.Schema], None]
    skip: bool

    def added(self, version: int) -> list[DataFile] | None:
        """The files whose rows ``version`` added, in the order of the commit; ``None``: no such version yet.

        Raises ``SourceError`` if the version removes or rewrites rows.
        """
        actions = delta.read_commit(self.files, self.where, version)
        if actions is None:
            return None
        for action in actions:
            if "metaData" in action and version > self.newest:
                self._change(action["metaData"], version)
        if change := _change_of_rows(actions):
            return self._changed(version, change)
        adds = [action["add"] for action in actions if "add" in action]
        return [self._file(add, version) for add in adds if add.get("dataChange", True)]

    def at(self, version: int) -> list[DataFile]:
        """The files of all rows of the table in ``version``, in the order in which they were written."""
        try:
            table = delta.open_table(self.where, version)
        except UnreachableError:
            raise
        except SourceError as error:
            raise SourceError(
                f"{self.where.text}: version {version}, where the source began, can no longer be read "
                f"({error}); start with an empty recovery directory"
            ) from None
        if pa.table(table.deletion_vectors()).num_rows:
            raise self._has_deletion_vectors(version)
        return [DataFile(file.path, file.values) for file in files_of(table)]

    def newest_from(self, version: int) -> int:
        """The newest version of the table now, which has ``version``."""
        return delta.newest_version(self.files, self.where, version)

    def check_not_cleaned(self, version: int) -> None:
        """Raise ``SourceError`` if the log has no commit of ``version``, although it has later versions."""
        with delta.explained(self.where):
            try:
                with self.files.open_input_stream("_delta_log/_last_checkpoint") as stream:
                    last = int(json.loads(stream.read())["version"])
            except FileNotFoundError:
                return
        # The commit may have come since somebody looked for it.
        if last >= version and delta.read_commit(self.files, self.where, version) is None:
            raise SourceError(
                f"{self.where.text}: the commit of version {version} was cleaned up before it was read, and "
                f"the table is at version {last} or later; begin with the rows that the table has now: add "
                "start=snapshot to the URI, and start with an empty recovery directory"
            )

    def _change(self, metadata: Mapping[str, Any], version: int) -> None:
        if metadata["id"] != self.identity:
            raise SourceError(
                f"{self.where.text}: version {version} is of another table, which replaces the one that was "
                "read; start with an empty recovery directory"
            )
        self.schema = pa.schema(delta.library().Schema.from_json(metadata["schemaString"]))
        self.check_columns(self.schema)

    def _changed(self, version: int, change: str) -> list[DataFile]:
        if not self.skip:
            raise SourceError(
                f"{self.where.text}: version {version} ({change}) removes or rewrites rows that were read; "
                "add changes=skip to the URI to leave such versions out, or start with an empty recovery "
                "directory at a later version"
            )
        sentence = f"{self.where.text}: version {version} ({change}) removes or rewrites rows; it is left out"
        _log.warning(Line("version_skipped", sentence, version=version, operation=change))
        return []

    def _file(self, add: Mapping[str, Any], version: int) -> DataFile:
        if add.get("deletionVector"):
            raise self._has_deletion_vectors(version)
        path = delta.file_path(add["path"])
        if "://" in path or path.startswith("/"):
            raise SourceError(
                f"{self.where.text}: version {version} is a shallow clone; read the table it is of"
            )
        values = {
            name: _partition_value(text, self.schema.field(name).type)
            for name, text in add["partitionValues"].items()
        }
        return DataFile(path, values)

    def _has_deletion_vectors(self, version: int) -> SourceError:
        return SourceError(
            f"{self.where.text}: version {version} has deletion vectors, which are not supported; remove "
            "them with REORG TABLE ... APPLY (PURGE), and start at a later version"
        )


def _partition_value(text: str | None, type: pa.DataType) -> pa.Scalar:
    """A value of the log. By the protocol, an empty text is null, and a time without a zone is in UTC."""
    scalar = pa.scalar(text or None, pa.string())
    if pa.types.is_timestamp(type) and text:
        scalar = pa.scalar(text.removesuffix("Z"), pa.string()).cast(pa.timestamp(type.unit))
    return scalar.cast(type)


def _change_of_rows(actions: Sequence[Action]) -> str:
    """The operation of a commit that removes, rewrites or brings back rows; empty if it does not."""
    operation = next((each["commitInfo"].get("operation") for each in actions if "commitInfo" in each), None)
    removes = any(action["remove"].get("dataChange", True) for action in actions if "remove" in action)
    if removes or operation == "RESTORE":
        return str(operation or "unknown operation")
    return ""
