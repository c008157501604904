"""The whole flow over files, with the null embedder: the rows do not depend on the number of workers."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.flows import (
    FLOW,
    PACED,
    Undisturbed,
    environment,
    recovery,
    rows,
    run,
    scored,
    scores,
    start,
    wait_until_it_writes,
    write_stream,
)
from tests.support.processes import killed, size, wait_until

WORKERS = pytest.mark.parametrize(
    ("flags", "processes"),
    [((), 1), (("-w", "2"), 1), ((), 2)],
    ids=["1 worker", "2 threads", "2 processes"],
)


@WORKERS
def test_every_event_is_in_every_window_it_belongs_to(
    tmp_path: Path, flags: tuple[str, ...], processes: int
) -> None:
    expected = write_stream(tmp_path)
    run(environment(tmp_path), *flags, processes=processes)
    assert scored(tmp_path / "out/scores.jsonl") == expected
    assert not rows(tmp_path / "out/late.jsonl")
    assert not rows(tmp_path / "out/dead.jsonl")


@WORKERS
def test_killed_at_random_moments_it_gives_the_same_rows(
    tmp_path: Path, undisturbed: Undisturbed, flags: tuple[str, ...], processes: int
) -> None:
    """One kill while the processes start, and two while they write."""
    rng = random.Random(processes)
    write_stream(tmp_path)
    out = tmp_path / "out/scores.jsonl"
    flags = (*recovery(tmp_path / "recovery"), *flags)
    env = environment(tmp_path, PACE="0.05", DRIFTLINE_SOURCE__BATCH_ROWS="20")
    for writes in (True, False, True):
        with killed(start(env, *flags, processes=processes, flow=PACED)) as cluster:
            if writes:
                wait_until_it_writes(cluster, out)
            time.sleep(rng.uniform(0, 0.5))
    run(env | {"PACE": "0"}, *flags, processes=processes, flow=PACED)
    assert scored(out) == undisturbed.expected
    assert scores(out) == undisturbed.scores


def test_files_of_the_same_hours_make_nothing_late_whichever_is_read_first(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    env = environment(tmp_path)
    del env["DRIFTLINE_SOURCE__KEY_FIELD"]
    run(env)
    assert not rows(tmp_path / "out/late.jsonl")
    found = scored(tmp_path / "out/scores.jsonl")
    assert {(start, event) for _, start, event in found} == {(start, event) for _, start, event in expected}


def test_with_keep_a_file_that_has_grown_goes_on_as_if_it_had_never_ended(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    write_stream(tmp_path)
    whole = {path: path.read_text().splitlines(keepends=True) for path in tmp_path.glob("*.jsonl")}
    flags = recovery(tmp_path / "recovery")
    for share, on_eof in ((0.3, "keep"), (0.6, "keep"), (1.0, "close")):
        for path, lines in whole.items():
            path.write_text("".join(lines[: int(share * len(lines))]))
        run(environment(tmp_path, DRIFTLINE_WINDOW__ON_EOF=on_eof), *flags)
    assert scores(tmp_path / "out/scores.jsonl") == undisturbed.scores
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
    out = tmp_path / "out" / "scores.jsonl"
    command = [sys.executable, "-m", "bytewax.run", FLOW]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE) as process:
        assert process.stdin
        for second in (0, 5):
            event = {"id": f"e{second}", "host": "a", "ts": f"2026-01-01T00:00:0{second}Z", "text": "x"}
            process.stdin.write(json.dumps(event).encode() + b"\n")
        process.stdin.flush()
        wait_until(lambda: size(out) and len(rows(out)) == 2, process)
        process.stdin.close()
    assert process.returncode == 0
    assert len(rows(out)) == 2
