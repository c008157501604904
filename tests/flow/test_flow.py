"""The whole flow over files, with the null embedder: the same rows however many workers run it."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("flags", "processes"),
    [((), 1), (("-w", "2"), 1), ((), 2)],
    ids=["1 worker", "2 threads", "2 processes"],
)
def test_every_event_is_in_every_window_it_belongs_to(
    tmp_path: Path, flags: tuple[str, ...], processes: int
) -> None:
    expected = write_stream(tmp_path)
    run(environment(tmp_path), *flags, processes=processes)
    assert scored(tmp_path / "out/scores.jsonl") == expected
    assert not rows(tmp_path / "out/late.jsonl")
    assert not rows(tmp_path / "out/dead.jsonl")


@pytest.mark.parametrize(("flags", "processes"), [((), 1), (("-w", "2"), 1), ((), 2)])
def test_killed_at_random_moments_it_gives_the_same_rows(
    tmp_path: Path, flags: tuple[str, ...], processes: int
) -> None:
    rng = random.Random(processes)
    expected = write_stream(tmp_path)
    run(environment(tmp_path))
    undisturbed = scores(tmp_path / "out/scores.jsonl")
    flags = (*recovery(tmp_path / "recovery"), *flags)
    env = environment(tmp_path, PACE="0.25")
    for _ in range(5):
        cluster = start(env, *flags, processes=processes, flow="tests.flow.paced:flow")
        time.sleep(rng.uniform(1.2, 2.4))
        for process in cluster:
            process.kill()
            process.communicate()
    run(env, *flags, processes=processes, flow="tests.flow.paced:flow")
    assert scored(tmp_path / "out/scores.jsonl") == expected
    assert scores(tmp_path / "out/scores.jsonl") == undisturbed


def test_files_of_the_same_hours_make_nothing_late_whichever_is_read_first(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    env = environment(tmp_path)
    del env["DRIFTLINE_SOURCE__KEY_FIELD"]
    run(env)
    assert not rows(tmp_path / "out/late.jsonl")
    found = scored(tmp_path / "out/scores.jsonl")
    assert {(start, event) for _, start, event in found} == {(start, event) for _, start, event in expected}


def test_with_keep_a_file_that_has_grown_goes_on_as_if_it_had_never_ended(tmp_path: Path) -> None:
    write_stream(tmp_path)
    whole = {path: path.read_text().splitlines(keepends=True) for path in tmp_path.glob("*.jsonl")}
    run(environment(tmp_path))
    expected = scores(tmp_path / "out/scores.jsonl")
    flags = recovery(tmp_path / "recovery")
    for share, on_eof in ((0.3, "keep"), (0.6, "keep"), (1.0, "close")):
        for path, lines in whole.items():
            path.write_text("".join(lines[: int(share * len(lines))]))
        run(environment(tmp_path, DRIFTLINE_WINDOW__ON_EOF=on_eof), *flags)
    assert scores(tmp_path / "out/scores.jsonl") == expected
    assert not rows(tmp_path / "out/late.jsonl")


def test_a_live_stream_that_falls_silent_closes_its_windows(tmp_path: Path) -> None:
    env = environment(
        tmp_path,
        DRIFTLINE_SOURCE__URI="stdin:",
        DRIFTLINE_WINDOW__KIND="tumbling",
        DRIFTLINE_WINDOW__LENGTH="1s",
        DRIFTLINE_WINDOW__DELAY="500ms",
        DRIFTLINE_WINDOW__IDLE_TIMEOUT="500ms",
    )
    command = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
    out = tmp_path / "out" / "scores.jsonl"
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE) as process:
        assert process.stdin
        for second in (0, 5):
            event = {"id": f"e{second}", "host": "a", "ts": f"2026-01-01T00:00:0{second}Z", "text": "x"}
            process.stdin.write(json.dumps(event).encode() + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (out.exists() and len(rows(out)) == 2):
            time.sleep(0.1)
        still_open = process.poll() is None
        emitted = len(rows(out))
        process.stdin.close()
    assert still_open
    assert emitted == 2
