"""Runs of the whole flow in processes of their own, over streams that a test writes, and their output."""

import json
import os
import random
import socket
import subprocess
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

LENGTH, SLIDE, DELAY = 600, 300, 60
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
Row = tuple[str, str, str]


def write_stream(folder: Path, events: int = 3000) -> dict[Row, int]:
    """Three files, two keys each, disordered within the delay. Returns the rows to expect, by the plainest
    reading of the windows: (key, window start, id) -> 1.
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
    return [json.loads(line) for line in path.read_text().splitlines()]


def scored(path: Path) -> dict[Row, int]:
    counted: dict[Row, int] = defaultdict(int)
    for row in rows(path):
        start = datetime.fromisoformat(str(row["window_start"]).replace("Z", "+00:00")).isoformat()
        counted[str(row["key"]), start, str(row["id"])] += 1
    return dict(counted)


def scores(path: Path) -> dict[Row, object]:
    return {(str(r["key"]), str(r["window_start"]), str(r["id"])): r["score"] for r in rows(path)}


def run(env: dict[str, str], *flags: str, processes: int = 1, flow: str = "dataflow.flow:flow") -> None:
    """Runs the flow to its end, as a cluster if ``processes`` > 1."""
    for process in start(env, *flags, processes=processes, flow=flow):
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors.decode()


def start(
    env: dict[str, str], *flags: str, processes: int = 1, flow: str = "dataflow.flow:flow"
) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "bytewax.run", flow, *flags]
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
    cluster = [["-i", str(i), "-a", addresses] for i in range(processes)] if processes > 1 else [[]]
    return [subprocess.Popen([*command, *more], env=env, stderr=subprocess.PIPE) for more in cluster]


def recovery(store: Path) -> tuple[str, ...]:
    """Makes a recovery store; the flags to use it, with a snapshot as often as can be."""
    store.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(store), "2"], check=True)
    return ("-r", str(store), "-s", "0", "-b", "0")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


#: In every text, good or bad; in no name of a field, file or setting.
TEXT = "aardvark"


def write_mixed(folder: Path) -> None:
    """10 good events, 400 that are not JSON, 300 with a bad time, and one that is late."""
    good = [{"id": f"e{i}", "host": "a", "ts": f"2026-01-01T00:{i:02}:00Z", "text": TEXT} for i in range(10)]
    times = [{"id": f"t{i}", "host": "a", "ts": f"{TEXT} {i}", "text": TEXT} for i in range(300)]
    end = [{"id": "end", "host": "a", "ts": "2026-01-01T03:00:00Z", "text": TEXT}, good[0] | {"id": "late"}]
    lines = [*map(json.dumps, good), *[f"{TEXT} is no JSON"] * 400, *map(json.dumps, [*times, *end])]
    (folder / "0.jsonl").write_text("\n".join(lines) + "\n")
