"""The report: the highest score of each event, and how many planted anomalies are among the top events."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Scored:
    """An event in the window where it has its highest score. ``label``: the kind of a planted anomaly."""

    id: str
    score: float
    ts: datetime
    window_start: datetime
    window_end: datetime
    text: str
    label: str | None


class BestScores:
    """Reads a growing file of scored rows (JSON lines) and keeps the highest score of each event."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._path = path
        self._read = 0
        self._best: dict[str, Scored] = {}

    def __len__(self) -> int:
        return len(self._best)

    def refresh(self) -> None:
        """Reads the complete lines that were added since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            row = json.loads(line)
            self.rows += 1
            before = self._best.get(row["id"])
            if before is None or row["score"] > before.score:
                self._best[row["id"]] = _scored(row)

    def top(self, count: int) -> list[Scored]:
        """The ``count`` events with the highest scores. The highest comes first."""
        return sorted(self._best.values(), key=lambda event: (-event.score, event.id))[:count]


def _scored(row: dict[str, Any]) -> Scored:
    attributes = row["attributes"]
    if isinstance(attributes, str):
        attributes = json.loads(attributes)
    return Scored(
        row["id"],
        row["score"],
        _time(row["ts"]),
        _time(row["window_start"]),
        _time(row["window_end"]),
        row["text"],
        attributes.get("label"),
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def table(events: list[Scored]) -> Table:
    """The events as a table. The column ``planted`` has the kind of a planted anomaly."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("score", justify="right")
    for name in ("time", "window"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("text", ratio=1, overflow="fold")
    shown.add_column("planted", no_wrap=True)
    for event in events:
        window = f"{event.window_start:%H:%M}-{event.window_end:%H:%M}"
        text = Text(event.text)
        shown.add_row(f"{event.score:.3f}", f"{event.ts:%H:%M:%S}", window, text, event.label or "")
    return shown


def lines(path: Path) -> int:
    """The number of lines of a file; 0 if the file does not exist."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def show(console: Console, best: BestScores, *, planted: int, top: int) -> None:
    """Prints the table, and how many of the planted anomalies the scores find."""
    day = best.top(1)[0].ts if len(best) else None
    console.print(f"\nThe {top} most anomalous events" + (f" of {day:%Y-%m-%d} (UTC)" if day else ""))
    console.print(table(best.top(top)))
    found = sum(event.label is not None for event in best.top(planted))
    share = found / planted if planted else 0.0
    console.print(
        f"{found} of the {planted} planted anomalies are in the top {planted} "
        f"(precision at {planted}: {share:.2f})"
    )
