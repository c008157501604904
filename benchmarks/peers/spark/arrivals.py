"""The scored rows of a program, and when each was there for a reader."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers.streams import seconds


class Arrival(NamedTuple):
    """A scored row. ``at``: when a reader could see it, in seconds since 1970.

    ``window``: the start of its window, likewise. ``rows``: how many events were scored together.
    """

    at: float
    window: int
    id: str
    score: float
    rows: int


def of_spark(output: Path) -> list[Arrival]:
    """The rows that Spark committed. A reader of its sink sees a file when the batch is committed."""
    return [
        Arrival(at, seconds(row["window_start"]), row["id"], row["score"], row["rows"])
        for at, file in _committed(output)
        for row in map(json.loads, file.read_text().splitlines())
    ]


def _committed(output: Path) -> Iterator[tuple[float, Path]]:
    """Each file with the time of its commit. From time to time, one log entry repeats all earlier ones."""
    seen: set[str] = set()
    log = output / "_spark_metadata"
    entries = (entry for entry in log.glob("[0-9]*") if entry.exists())
    for entry in sorted(entries, key=lambda path: (path.stat().st_mtime, path.suffix)):
        for line in entry.read_text().splitlines()[1:]:
            name = json.loads(line)["path"].rpartition("/")[2]
            if name not in seen:
                seen.add(name)
                yield entry.stat().st_mtime, output / name


class Growth:
    """Watches a file of JSON lines that the dataflow writes, and notes when it has how many bytes.

    ``bytes_seen``: the size at the last look.
    """

    def __init__(self, path: Path, every_s: float = 0.01) -> None:
        self._path, self._every_s = path, every_s
        self._sizes: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes_seen = 0

    def __enter__(self) -> "Growth":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            size = self._path.stat().st_size if self._path.exists() else 0
            if size > self.bytes_seen:
                self._sizes.append((time.time(), size))
                self.bytes_seen = size

    def arrivals(self) -> list[Arrival]:
        """The rows that were seen."""
        sizes, place = list(self._sizes), 0
        if not sizes:
            return []
        times = np.array([at for at, _ in sizes])
        ends = np.array([size for _, size in sizes])
        found: list[tuple[float, dict[str, Any]]] = []
        for line in self._path.read_bytes()[: sizes[-1][1]].splitlines(keepends=True):
            place += len(line)
            if line.endswith(b"\n"):
                found.append((float(times[np.searchsorted(ends, place)]), json.loads(line)))
        together = Counter((row["window_start"], row["revision"]) for _, row in found)
        return [
            Arrival(
                at,
                seconds(row["window_start"]),
                row["id"],
                row["score"],
                together[row["window_start"], row["revision"]],
            )
            for at, row in found
        ]
