"""A log that grows and is rotated while the flow follows it and is killed: each record comes once."""

import itertools
import json
import random
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests.support.flows import environment, recovery, rows, run, start, wait_until_it_writes
from tests.support.processes import killed
from tests.support.rotated_logs import RotatedLog

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
KILLS = 3


def keep_writing(log: RotatedLog, done: threading.Event) -> None:
    """Write a log until ``done``. A write may end within a line; rotations are of both kinds."""
    rng = random.Random(5)
    for number in itertools.takewhile(lambda _: not done.is_set(), itertools.count()):
        ts = (START + timedelta(seconds=number)).isoformat()
        line = json.dumps({"n": number, "host": "a", "ts": ts, "text": f"text {rng.randrange(500)}"}).encode()
        cut = rng.randrange(len(line))
        log.write(line[:cut])
        if rng.random() < 0.01:
            time.sleep(0.1)
        log.write(line[cut:] + b"\n")
        if rng.random() < 0.03:
            rng.choice((log.rename, log.copy_and_truncate))(compress=rng.random() < 0.5)
        time.sleep(0.01)


def test_a_rotated_log_is_read_once_although_the_flow_is_killed(tmp_path: Path) -> None:
    log, out = RotatedLog(tmp_path / "app.jsonl"), tmp_path / "out/scores.jsonl"
    settings = {
        "DRIFTLINE_WINDOW__KIND": "tumbling",
        "DRIFTLINE_WINDOW__LENGTH": "10s",
        "DRIFTLINE_WINDOW__DELAY": "1s",
        "DRIFTLINE_SOURCE__URI": f"tail:{log.path}*",
        "DRIFTLINE_SOURCE__BATCH_ROWS": "20",
    }
    env = environment(tmp_path, **settings)
    del env["DRIFTLINE_SOURCE__ID_FIELD"]
    flags = recovery(tmp_path / "recovery")
    rng = random.Random(3)
    done = threading.Event()
    writer = threading.Thread(target=keep_writing, args=(log, done), daemon=True)
    writer.start()
    for _ in range(KILLS):
        with killed(start(env, *flags)) as cluster:
            wait_until_it_writes(cluster, out)
            time.sleep(rng.uniform(0, 0.5))
    done.set()
    writer.join()
    run({**env, "DRIFTLINE_SOURCE__URI": f"tail:{log.path}*?follow=false"}, *flags)
    assert not rows(tmp_path / "out/late.jsonl")
    assert not rows(tmp_path / "out/dead.jsonl")
    assert len(log.generations) > KILLS
    expected = {f"{log.path}*:{offset}": json.loads(record)["n"] for offset, record in log.expected()}
    assert list(expected.values()) == list(range(len(expected)))
    found = [(row["id"], row["attributes"]["n"]) for row in rows(out)]  # type: ignore[index]
    assert sorted(found, key=lambda pair: pair[1]) == list(expected.items())
