"""How fast the server of the live page answers while rows come, and how much memory it takes.

``python -m benchmarks.page --rows 1000000 --rate 1000`` starts the server as a process over a file of JSON
lines of so many scored rows, appends more of them, and prints the medians of the answers. With ``--dim 384``
the rows have embeddings and are in Parquet files.
"""

import argparse
import http.client
import itertools
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.kit.figures import middle, report
from benchmarks.kit.measure import table
from benchmarks.kit.page_browser import figures as in_browser
from benchmarks.kit.page_rows import START_US, batches, lines

_PORT = 18_766
_WORDS = (
    "refund",
    "stripe declined",
    "card queue",
    "p-99",
    "gateway",
    "invoice",
    "ledger shard",
    "login failed",
)

Question = tuple[str, dict[str, object]]


class Client:
    """Asks the server on one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self, path: str, **query: object) -> tuple[float, bytes]:
        """Milliseconds until the whole answer was there, and the answer."""
        begin = time.perf_counter()
        self._connection.request("GET", f"{path}?{urlencode(query)}")
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status in (200, 404), content
        return (time.perf_counter() - begin) * 1000, content

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/api/state")[1])
        return found


def questions() -> dict[str, Iterator[Question]]:
    """What is asked: an endless series of requests for each name."""
    turns = itertools.count
    words = (f"{word}{' ' * turn}" for turn in turns() for word in _WORDS)
    sorts = itertools.cycle(["score", "anomaly", "p_value", "novelty"])
    return {
        "state": (("/api/state", {}) for _ in turns()),
        "rows, default order": (("/api/rows", {}) for _ in turns()),
        "rows, one of four orders": (("/api/rows", {"sort": next(sorts)}) for _ in turns()),
        "rows, of a key, by score": (
            ("/api/rows", {"key": f"service-{n % 20}", "sort": "score"}) for n in turns()
        ),
        "rows, of a window": (("/api/rows", {"window": START_US + 300_000_000 * n}) for n in turns()),
        "rows, with a text, first time": (("/api/rows", {"text": word, "sort": "anomaly"}) for word in words),
        "rows, 100,000 and deeper": (
            ("/api/rows", {"sort": "score", "offset": n}) for n in turns(100_000, 37_000)
        ),
        "event": (("/api/event", {"key": "service-0", "id": f"event-{20 * n:09d}"}) for n in turns(2000)),
        "time, of a key": (("/api/time", {"key": f"service-{n % 20}"}) for n in turns()),
        "map of 50,000 points (without embeddings: none)": (("/api/map", {}) for _ in turns()),
        "time, all rows": (("/api/time", {}) for _ in turns()),
    }


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    """Resident memory of a process now, or at its peak (``VmHWM``)."""
    found = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name)]
    return int(found[0].split()[1]) / 1024


@contextmanager
def served(uri: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A server over ``uri``, which has said that it listens."""
    command = [sys.executable, "-m", "dashboard", str(uri), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            yield server
        finally:
            server.terminate()


def write(folder: Path, rows: int, first: int, dim: int) -> None:
    """Appends rows to the output in ``folder``: without embeddings to a file, else as a Parquet file."""
    if not dim:
        with (folder / "scores.jsonl").open("ab") as file:
            file.writelines(lines(rows, first=first))
        return
    (folder / "scores.parquet").mkdir(exist_ok=True)
    for number, batch in enumerate(batches(rows, first=first, dim=dim)):
        path = folder / "scores.parquet" / f"part-{first:09d}-{number:05d}"
        pq.write_table(pa.table(batch), path.with_suffix(".unfinished"))
        path.with_suffix(".unfinished").rename(path.with_suffix(".parquet"))


class Appender(threading.Thread):
    """Appends ``rate`` rows a second with ``append(rows, first)``, from the number ``first`` on."""

    def __init__(self, append: Callable[[int, int], None], first: int, rate: int) -> None:
        super().__init__(daemon=True)
        self._append, self._first, self._rate = append, first, rate
        self._ended = threading.Event()
        self.behind_s = 0.0

    def run(self) -> None:
        begin = time.monotonic()
        for second in itertools.count(1):
            if self._ended.is_set() or not self._rate:
                return
            self._append(self._rate, self._first + (second - 1) * self._rate)
            left = begin + second - time.monotonic()
            self.behind_s = max(0.0, -left)
            time.sleep(max(0.0, left))

    def end(self) -> None:
        self._ended.set()
        self.join()


def measured(client: Client, rounds: int) -> list[tuple[str, list[float]]]:
    """Milliseconds of each answer, by the name of the question."""
    asked = questions()
    found: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(rounds + 1):
        for name, some in asked.items():
            path, query = next(some)
            took, _ = client.get(path, **query)
            if number:
                found[name].append(took)
            time.sleep(0.05)
    return list(found.items())


def run(folder: Path, rows: int, rate: int, rounds: int, dim: int, browser: bool) -> None:
    write(folder, rows, 0, dim)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{rows} rows, {size / 1e6:.0f} MB", flush=True)
    begin = time.monotonic()
    with served(folder, _PORT) as server:
        client = Client(_PORT)
        client.get("/healthz")
        first_s = time.monotonic() - begin
        while not client.state()["loaded"]:
            time.sleep(0.1)
        loaded_s, loaded_mb = time.monotonic() - begin, memory_mb(server.pid)
        appender = Appender(lambda more, first: write(folder, more, first, dim), rows, rate)
        appender.start()
        answers = measured(client, rounds)
        seen = in_browser(f"http://127.0.0.1:{_PORT}/", rounds, has_map=bool(dim)) if browser else {}
        appender.end()
        state = Client(_PORT).state()  # the server closes a connection that asks nothing for a while
        show(answers, seen, f"while {rate} rows a second come; {state['rows']} rows")
        table(
            "Server",
            ("what", "figure"),
            [
                ("first answer after the start, s", f"{first_s:.2f}"),
                ("all rows loaded, s", f"{loaded_s:.1f}"),
                ("memory when loaded, MB", f"{loaded_mb:.0f}"),
                ("memory at the end, MB", f"{memory_mb(server.pid):.0f}"),
                ("memory at its peak, MB", f"{(peak_mb := memory_mb(server.pid, 'VmHWM')):.0f}"),
                ("writer behind at the end, s", f"{appender.behind_s:.1f}"),
            ],
        )
    of = f"{rows:,} rows{f' of {dim} dimensions' if dim else ''}, {rate} more a second"
    report(
        [
            *(middle(f"{name}, {of}", some, "ms") for name, some in (seen or dict(answers)).items()),
            middle(f"memory of the page's server at its peak, {of}", [peak_mb], "MB"),
        ]
    )


def show(answers: Sequence[tuple[str, list[float]]], seen: Mapping[str, list[float]], when: str) -> None:
    """Prints a table of the answers, and one of what a browser saw."""
    table(
        f"Answers {when}",
        ("question", "median ms", "highest ms"),
        [(name, f"{statistics.median(some):.1f}", f"{max(some):.1f}") for name, some in answers],
    )
    if seen:
        shares = {name: np.quantile(some, (0.5, 0.95, 1)) for name, some in seen.items()}
        table(
            f"In Chromium, {when}",
            ("what", "median ms", "one in 20, ms", "highest ms"),
            [(name, *(f"{share:.1f}" for share in each)) for name, each in shares.items()],
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--rate", type=int, default=1000, help="rows a second; default: %(default)s")
    parser.add_argument("--dim", type=int, default=0, help="dimensions of embeddings; default: none")
    parser.add_argument("--browser", action="store_true", help="measure in Chromium, too; the page is built")
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        run(Path(folder), arguments.rows, arguments.rate, arguments.rounds, arguments.dim, arguments.browser)


if __name__ == "__main__":
    main()
