"""Dead letters are sent through the whole flow again, exactly once, also if the process is killed."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.support.flows import (
    environment,
    rows,
    run,
    scored,
    scores,
    wait_until_it_writes,
    write_mixed,
    write_stream,
)
from tests.support.forked import Forked
from tests.support.processes import killed

WRONG = {"DRIFTLINE_SOURCE__TS_FIELD": "time"}


def replay(env: dict[str, str], *words: str, code: int = 0) -> str:
    """What the command prints; with another exit code than 0, what it says on its standard error."""
    process = Forked("dataflow.replay", *words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors.decode()
    assert b"Traceback" not in errors
    return (errors if code else said).decode()


def send(env: dict[str, str], folder: Path, *words: str) -> str:
    return replay(env, "send", str(folder / "out/dead.jsonl"), "--folder", str(folder / "replay"), *words)


@contextmanager
def begun(env: dict[str, str], folder: Path) -> Iterator[Forked]:
    words = ("send", str(folder / "out/dead.jsonl"), "--folder", str(folder / "replay"), "--append")
    process = Forked(
        "tests.support.paced_replay", *words, env={**env, "PACE": "0.2"}, stdout=subprocess.DEVNULL
    )
    with killed([process]):
        yield process


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """A folder with three files, all of whose records are dead letters of a flow with a wrong setting."""
    write_stream(tmp_path, events=900)
    run(environment(tmp_path, **WRONG))
    assert not (tmp_path / "out/scores.jsonl").read_bytes()
    return tmp_path


def test_a_replay_scores_what_a_flow_without_the_mistake_scores(dead: Path) -> None:
    before = (dead / "out/dead.jsonl").read_bytes()
    assert "900 records, missing_field: time: " in replay(
        environment(dead, **WRONG), "check", str(dead / "out/dead.jsonl")
    )
    env = environment(dead, DRIFTLINE_SINK__SCORES=f"file:{dead}/right/scores.jsonl")
    run(env)
    assert "send 1: 900 of 900 records were scored" in send(env, dead)
    assert send(env, dead) == "to send: 0 records\nsent before: 900 records\n"
    found = dead / "replay/1/scores.jsonl"
    assert scores(found) == scores(dead / "right/scores.jsonl")
    assert scored(found) == scored(dead / "right/scores.jsonl")
    assert (dead / "out/dead.jsonl").read_bytes() == before
    assert not (dead / "replay/1/late.jsonl").read_bytes()


def test_a_send_that_is_killed_goes_on_and_writes_each_row_once(dead: Path) -> None:
    right = environment(dead, DRIFTLINE_SINK__SCORES=f"file:{dead}/right/scores.jsonl")
    run(right)
    table = {"DRIFTLINE_SINK__SCORES": f"delta:{dead}/table", "DRIFTLINE_DELTA__APPEND_EVERY": "1s"}
    env = environment(dead, **table)
    found = dead / "replay/1/scores.jsonl"
    kills = 0
    for _ in range(3):
        with begun(env, dead) as process:
            wait_until_it_writes([process], found)
            kills += process.poll() is None
    assert kills == 3
    said = send(env, dead, "--append")
    assert said.startswith("send 1 has not come to its end, so it goes on; then send again\n")
    assert "send 1: 900 of 900 records were scored" in said
    assert scored(found) == scored(dead / "right/scores.jsonl")
    assert scores(found) == scores(dead / "right/scores.jsonl")
    columns = ["key", "window_start", "id"]
    appended = DeltaTable(dead / "table").to_pandas()[columns]
    assert not appended.duplicated().any()
    assert len(appended) == sum(scored(found).values())
    assert "sent before: 900 records" in send(env, dead, "--append")


def test_each_letter_is_scored_or_stays_and_late_events_are_in_windows(tmp_path: Path) -> None:
    """10 events, 400 records that are not JSON, 300 with a bad time, one late event."""
    write_mixed(tmp_path)
    env = environment(tmp_path, DRIFTLINE_WINDOW__MAX_JUMP="1d")
    run(env)
    outputs = [str(tmp_path / "out" / name) for name in ("dead.jsonl", "late.jsonl")]
    assert [len(rows(Path(path))) for path in outputs] == [700, 1]
    words = [*outputs, "--folder", str(tmp_path / "replay")]
    table = replay(env, "list", *outputs).splitlines()
    assert [line.split()[:2] for line in table[1:]] == [
        ["400", "malformed"],
        ["300", "bad_time"],
        ["1", "late"],
    ]
    checked = replay(env, "check", *words)
    assert not (tmp_path / "replay").exists()
    said = replay(env, "send", *words)
    assert said.startswith(checked)
    assert "would fail again: 400 records, malformed: " in said
    assert "would fail again: 300 records, bad_time: " in said
    assert "send 1: 1 of 1 records were scored" in said
    assert {row["id"] for row in rows(tmp_path / "replay/1/scores.jsonl")} == {"late"}
    # The records that stayed are sent when the settings take them.
    again = replay({**env, "DRIFTLINE_SOURCE__TS_FIELD": ""}, "send", *words)
    assert "sent before: 1 record\n" in again
    assert "send 2: 300 of 300 records were scored" in again


def test_a_prepared_send_is_run_by_the_flow_that_the_user_starts(dead: Path) -> None:
    env = environment(dead)
    said = send(env, dead, "--prepare").splitlines()[-1]
    uri = said.partition("DRIFTLINE_SOURCE__URI='")[2].removesuffix("'")
    mine = {"DRIFTLINE_SOURCE__URI": uri, "DRIFTLINE_SINK__SCORES": f"file:{dead}/mine/scores.jsonl"}
    mine["DRIFTLINE_SINK__DEAD_LETTERS"] = f"file:{dead}/mine/dead.jsonl"
    run({**env, **mine}, "-w", "2")
    assert len({row["id"] for row in rows(dead / "mine/scores.jsonl")}) == 900
    assert "sent before: 900 records" in send(env, dead)
    # A new flow would begin a new file in place of the letters.
    wrong = run({**env, "DRIFTLINE_SOURCE__URI": uri}, code=2)
    assert "has the dead letters that are replayed" in wrong
    assert json.loads((dead / "out/dead.jsonl").read_bytes().splitlines()[0])
