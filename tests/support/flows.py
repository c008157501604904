"""Runs of the whole flow in processes of their own, over streams that a test writes, and their output."""

import json
import os
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from bytewax.recovery import init_db_dir

from tests.support.forked import Forked
from tests.support.ports import free_port
from tests.support.processes import Process, errors_of, killed, size

LENGTH, SLIDE, DELAY = 600, 300, 60
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
FLOW = "dataflow.flow:flow"
#: The same flow, slowed down: ``PACE`` seconds between two batches of a partition.
PACED = "tests.support.paced:flow"
#: Key, start of the window, and id of a scored row.
Row = tuple[str, str, str]


#: Settings with which a short stream has incidents, and drifts.
ALERTING = {
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "200",
    "DRIFTLINE_DRIFT__LEAST_ROWS": "10",
    "DRIFTLINE_DRIFT__BLOCK_ROWS": "1",
    "DRIFTLINE_DRIFT__ALPHA": "0.2",
    "DRIFTLINE_ALERT__BUDGET": "400/d",
    "DRIFTLINE_ALERT__HISTORY": "0s",
    "DRIFTLINE_ALERT__LEAST_ANOMALY": "1",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "3",
}


class Undisturbed(NamedTuple):
    """What a flow that nothing disturbs makes of the stream of :func:`write_stream`."""

    expected: dict[Row, int]
    scores: dict[Row, object]


def write_stream(folder: Path, events: int = 3000) -> dict[Row, int]:
    """Write three files of two keys each, disordered within the delay.

    Returns the rows to expect, each once, found by trying all windows for each event.
    """
    rng = random.Random(7)
    expected: dict[Row, int] = defaultdict(int)
    for file in range(3):
        times = sorted(rng.uniform(0, 4 * 3600) for _ in range(events // 3))
        lines = []
        for number, at in enumerate(sorted(times, key=lambda t: t + rng.uniform(0, DELAY))):
            key, event = f"k{file}{number % 2}", f"e{file}-{number}"
            ts = START + timedelta(seconds=round(at, 3))
            lines.append(
                {"id": event, "host": key, "ts": ts.isoformat(), "text": f"text {rng.randrange(500)}"}
            )
            first = int(at // SLIDE) * SLIDE
            for start in range(first - LENGTH + SLIDE, first + SLIDE, SLIDE):
                if start <= at < start + LENGTH:
                    expected[key, (START + timedelta(seconds=start)).isoformat(), event] += 1
        path = folder / f"{file}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return dict(expected)


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a flow that reads and writes files in ``folder``, with more ``settings``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTLINE_", "BYTEWAX_"))}
    return {
        **inherited,
        "DRIFTLINE_SOURCE__URI": f"file:{folder}/*.jsonl",
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_SOURCE__KEY_FIELD": "host",
        "DRIFTLINE_SOURCE__BATCH_ROWS": "100",
        "DRIFTLINE_EMBED__KIND": "null",
        "DRIFTLINE_EMBED__DIM": "8",
        "DRIFTLINE_WINDOW__DELAY": f"{DELAY}s",
        "DRIFTLINE_SCORE__KIND": "mean",
        "DRIFTLINE_SINK__SCORES": f"file:{folder}/out/scores.jsonl",
        "DRIFTLINE_SINK__LATE": f"file:{folder}/out/late.jsonl",
        "DRIFTLINE_SINK__DEAD_LETTERS": f"file:{folder}/out/dead.jsonl",
        **settings,
    }


def rows(path: Path) -> list[dict[str, object]]:
    """The rows of a file of JSON lines, without a last line that is not complete yet."""
    return [json.loads(line) for line in path.read_text().rpartition("\n")[0].splitlines()]


def scored(path: Path) -> dict[Row, int]:
    """How often each row is there."""
    counted: dict[Row, int] = defaultdict(int)
    for row in rows(path):
        start = datetime.fromisoformat(str(row["window_start"]).replace("Z", "+00:00")).isoformat()
        counted[str(row["key"]), start, str(row["id"])] += 1
    return dict(counted)


def scores(path: Path) -> dict[Row, object]:
    """The score of each row."""
    return {(str(r["key"]), str(r["window_start"]), str(r["id"])): r["score"] for r in rows(path)}


def run(env: dict[str, str], *flags: str, processes: int = 1, flow: str = FLOW, code: int = 0) -> str:
    """Run the flow to its end, as a cluster if ``processes`` > 1. Returns its standard error."""
    cluster = start(env, *flags, processes=processes, flow=flow)
    with killed(cluster):
        return "".join([errors_of(process, code) for process in cluster])


def start(env: dict[str, str], *flags: str, processes: int = 1, flow: str = FLOW) -> list[Forked]:
    """Start the flow, as a cluster if ``processes`` > 1."""
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
    cluster = [["-i", str(i), "-a", addresses] for i in range(processes)] if processes > 1 else [[]]
    return [Forked("bytewax.run", flow, *flags, *more, env=env, stderr=subprocess.PIPE) for more in cluster]


def wait_until_it_writes(cluster: Sequence[Process], out: Path) -> None:
    """Return when ``out`` has grown, or the flow has reached the end of its input."""
    written = size(out)
    while size(out) <= written and any(process.poll() is None for process in cluster):
        time.sleep(0.02)


def recovery(store: Path) -> tuple[str, ...]:
    """Make a recovery store; the flags to use it, with a snapshot as often as possible."""
    store.mkdir()
    init_db_dir(store, 2)
    return ("-r", str(store), "-s", "0", "-b", "0")


#: A word of every text, good or bad, and of no name of a field, file or setting.
TEXT = "aardvark"


def write_mixed(folder: Path) -> None:
    """Write 10 good events, 400 records that are not JSON, 300 with a bad time, and one late event."""
    good = [{"id": f"e{i}", "host": "a", "ts": f"2026-01-01T00:{i:02}:00Z", "text": TEXT} for i in range(10)]
    times = [{"id": f"t{i}", "host": "a", "ts": f"{TEXT} {i}", "text": TEXT} for i in range(300)]
    end = [{"id": "end", "host": "a", "ts": "2026-01-01T03:00:00Z", "text": TEXT}, good[0] | {"id": "late"}]
    lines = [*map(json.dumps, good), *[f"{TEXT} is no JSON"] * 400, *map(json.dumps, [*times, *end])]
    (folder / "0.jsonl").write_text("\n".join(lines) + "\n")
