"""Incidents: what the rows of ``ALERT`` say of each in the end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.backtest.recorded import read_errors
from dataflow.errors import SourceError
from dataflow.items.alerts import ALERT_FORMAT

#: Columns of ``ALERT`` that are fields of an incident.
_SAME = ("kind", "key", "state", "first_ts", "last_ts", "count", "peak", "message", "merged_into")
_TIMES = ("decided", "window_start", "window_end", "first_ts", "last_ts")


@dataclass(frozen=True)
class Incident:
    """An incident. Columns of its last row of ``ALERT``, and ``opened``: when the first row was decided.

    All times are microseconds since the Unix epoch, UTC. ``examples``: the fields of examples in ``ALERT``.
    """

    id: str
    kind: str
    key: str
    state: str
    opened: int
    first_ts: int
    last_ts: int
    count: int
    peak: float
    message: str
    merged_into: str | None
    examples: tuple[Mapping[str, Any], ...]

    @property
    def example_ids(self) -> set[str]:
        """The ids of the events that are examples."""
        return {each["id"] for each in self.examples}

    def overlap(self, other: "Incident") -> int:
        """How long both last, in microseconds; negative: from the end of one to the start of the other."""
        return min(self.last_ts, other.last_ts) - max(self.first_ts, other.first_ts)


def incidents_of(rows: Iterable[Mapping[str, Any]]) -> list[Incident]:
    """The incidents of rows of ``ALERT`` whose times are integers, by the time when they opened; without
    provisional ones, which only say earlier what other incidents say.

    >>> first = {"incident": "i", "sequence": 0, "kind": "events", "key": "k", "state": "open", "decided": 5,
    ...     "first_ts": 1, "last_ts": 2, "count": 2, "peak": 3.0, "message": "m", "merged_into": None,
    ...     "examples": []}
    >>> later = first | {"sequence": 1, "state": "updated", "decided": 9, "count": 4}
    >>> [(each.id, each.opened, each.count) for each in incidents_of([later, first])]
    [('i', 5, 4)]
    """
    last: dict[str, Mapping[str, Any]] = {}
    opened: dict[str, int] = {}
    provisional: set[str] = set()
    for row in sorted(rows, key=lambda row: int(row["sequence"])):
        if row["sequence"] == 0 and row["state"] == "provisional":
            provisional.add(row["incident"])
        last[row["incident"]] = row
        opened.setdefault(row["incident"], row["decided"])
    found = [
        Incident(
            id=id,
            opened=opened[id],
            examples=tuple(row["examples"]),
            **{name: row[name] for name in _SAME},
        )
        for id, row in last.items()
        if id not in provisional
    ]
    return sorted(found, key=lambda each: (each.opened, each.id))


def read_alerts(path: Path) -> list[dict[str, Any]]:
    """The rows of ``ALERT`` in a file of JSON lines, a Parquet file, or a folder of Parquet files.

    Times become integers. Raises ``SourceError``.
    """
    return _of_parquet(path) if path.suffix == ".parquet" else _of_lines(path)


def find_alerts(path: Path) -> Path | None:
    """The alerts at ``path``: the file itself, or the output of ``sink.alerts`` in this folder."""
    if path.is_file() or path.suffix == ".parquet":
        return path if path.exists() else None
    return next((each for name in ("alerts.jsonl", "alerts.parquet") if (each := path / name).exists()), None)


def _of_parquet(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        with read_errors(file):
            rows += _plain(pq.read_table(file)).to_pylist()
    return [_checked(path, row) for row in rows]


def _plain(table: pa.Table) -> pa.Table:
    """The table with integers for its times. The times in examples are not looked at."""
    for name in _TIMES:
        if name in table.schema.names:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table[name].cast(pa.int64()))
    return table


def _of_lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            if number == len(lines):
                break  # a flow is writing this line
            raise SourceError(f"{path}, line {number}: not JSON; name the file of sink.alerts") from None
        rows.append(_checked(path, row))
    for row in rows:
        row |= {name: int(np.datetime64(row[name][:-1], "us").astype(np.int64)) for name in _TIMES}
    return rows


def _checked(path: Path, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or "incident" not in row:
        raise SourceError(f"{path}: holds no alerts; name the file of sink.alerts")
    if row["format"] != ALERT_FORMAT:
        raise SourceError(
            f"{path}: holds alerts of format {row['format']}; only {ALERT_FORMAT} can be compared"
        )
    return row
