"""The manifests' dataflow as local processes, and the procedures of the deployment guide.

The null embedder stands in for Triton.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import manifests
from tests.support.flows import PACED, environment, scored, scores, write_stream
from tests.support.pods import SCRIPTS, Pods, finish, stop
from tests.support.processes import errors_of, killed, size, wait_until

pytestmark = pytest.mark.integration

#: The flow with no limit on the time of a stop.
PATIENT = "tests.support.patient:flow"


def stream(folder: Path) -> dict[str, str]:
    """Settings for the stream of the flow tests, slowed down by ``tests.support.paced``."""
    own = {k: v for k, v in environment(folder).items() if k.startswith("DRIFTLINE_")}
    return own | {"PACE": "0.2", "DRIFTLINE_SOURCE__BATCH_ROWS": "20", "DRIFTLINE_WINDOW__IDLE_TIMEOUT": "1h"}


def test_a_laptop_s_pod_scores_its_stream_and_ends_at_once(tmp_path: Path) -> None:
    pods = Pods(tmp_path, manifests.built("cpu"))
    sink = tmp_path / "scores.jsonl"
    processes = pods.start(
        1,
        {
            "DRIFTLINE_SOURCE__URI": "demo:?rate=1000&events=1000000",
            "DRIFTLINE_EMBED__KIND": "null",
            "DRIFTLINE_SINK__SCORES": f"file:{sink}",
        },
        PATIENT,
    )
    with killed(processes) as (process,):
        wait_until(lambda: pods.ready(0), process)
        wait_until(lambda: size(sink), process)
        code, first = pods.alive(0)
        assert code == 0
        # The probe counts the polls of the source.
        wait_until(lambda: pods.alive(0)[1] != first, process)
        assert pods.alive(0)[0] == 0
        process.send_signal(signal.SIGINT)
        errors = errors_of(process)
    assert '"reason"' not in errors, "dead letters: the settings do not fit the stream"


def test_a_flow_that_hangs_is_not_alive(tmp_path: Path) -> None:
    pods = Pods(tmp_path, manifests.built("cpu"))
    settings = {"DRIFTLINE_SOURCE__URI": "demo:?rate=1000&events=1000000", "DRIFTLINE_EMBED__KIND": "null"}
    processes = pods.start(2, settings | {"DRIFTLINE_SCORE__KIND": "tests.support.scorers:hanging"})
    with killed(processes):
        wait_until(lambda: pods.ready(0) and pods.ready(1), *processes)
        assert [pods.alive(i, 2)[0] for i in range(2)] == [0, 0]
        # One process hangs, and each process that reads from the source is then not alive.
        wait_until(lambda: 1 in [pods.alive(i, 2)[0] for i in range(2)], *processes)
        # A process that hangs still answers HTTP, so only the liveness probe finds it.
        wait_until(lambda: pods.ready(0), *processes)


def test_rescaled_up_and_down_it_gives_the_same_rows(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    undisturbed = {"DRIFTLINE_SINK__SCORES": f"file:{alone}/undisturbed.jsonl"}
    finish(Pods(alone, manifests.built("cpu")).start(1, stream(tmp_path) | undisturbed))
    pods = Pods(tmp_path, manifests.built("gpu"))
    for replicas in (1, 2):
        run_until_it_scores(pods, replicas, stream(tmp_path))
    finish(pods.start(1, stream(tmp_path)))
    assert scored(tmp_path / "out/scores.jsonl") == expected
    assert scores(tmp_path / "out/scores.jsonl") == scores(alone / "undisturbed.jsonl")
    assert list((pods.recovery(0) / "store").glob("*.sqlite3"))
    assert not list((pods.recovery(1) / "store").iterdir())


def run_until_it_scores(pods: Pods, replicas: int, settings: dict[str, str]) -> None:
    """Run slowed down until there are more rows than before, then scale to 0."""
    before = len(scored_until_now(pods.folder))
    processes = pods.start(replicas, settings, PACED)
    with killed(processes):
        wait_until(lambda: len(scored_until_now(pods.folder)) > before, *processes)
        time.sleep(random.uniform(0, 0.5))
        stop(processes)


def scored_until_now(folder: Path) -> dict[tuple[str, str, str], int]:
    path = folder / "out/scores.jsonl"
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""  # the last line may be incomplete
    return {(r["key"], r["window_start"], r["id"]): 1 for r in map(json.loads, whole.splitlines())}


def test_another_configuration_continues_where_the_old_one_stopped(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    run_until_it_scores(pods, 1, stream(tmp_path))
    before = scored_until_now(tmp_path)
    finish(pods.start(1, stream(tmp_path) | {"DRIFTLINE_SCORE__KIND": "cosine"}))
    assert before
    assert scored(tmp_path / "out/scores.jsonl") == expected


def test_a_model_of_another_dimension_starts_with_a_new_store(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    run_until_it_scores(pods, 1, stream(tmp_path))
    shutil.rmtree(pods.recovery(0))  # as when the volume claim is deleted
    other = {"DRIFTLINE_EMBED__DIM": "16", "DRIFTLINE_SINK__EMBEDDINGS": "true"}
    finish(pods.start(1, stream(tmp_path) | other))
    assert scored(tmp_path / "out/scores.jsonl") == expected
    lines = (tmp_path / "out/scores.jsonl").read_text().splitlines()
    assert {len(json.loads(line)["embedding"]) for line in lines} == {16}


def test_a_backup_taken_under_way_is_restored(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    store, copy = pods.recovery(0) / "store", pods.recovery(0) / "backup"
    # Slow enough that the flow still writes after the backup.
    processes = pods.start(1, stream(tmp_path) | {"PACE": "0.5"}, PACED)
    with killed(processes):
        wait_until(lambda: scored_until_now(tmp_path), *processes)
        backup = [sys.executable, str(SCRIPTS / "backup.py"), str(store), str(copy)]
        assert subprocess.run(backup, check=True, capture_output=True).stdout == b"4 partitions copied\n"
        at_backup = len(scored_until_now(tmp_path))
        wait_until(lambda: len(scored_until_now(tmp_path)) > at_backup, *processes)
        stop(processes)
    later = scores(tmp_path / "out/scores.jsonl")
    for lost in store.iterdir():
        lost.unlink()
    for part in copy.iterdir():
        part.rename(store / part.name)
    finish(pods.start(1, stream(tmp_path)))
    assert scored(tmp_path / "out/scores.jsonl") == expected
    again = scores(tmp_path / "out/scores.jsonl")
    assert {row: again[row] for row in later} == later


def test_no_partition_is_no_beginning_anew_by_chance(tmp_path: Path) -> None:
    write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    (pods.recovery(0) / "store").mkdir(parents=True)  # a restore that forgot the files
    (process,) = pods.start(1, stream(tmp_path), PACED)
    with killed([process]):
        _, errors = process.communicate()
    assert process.returncode
    assert b"no recovery partition; make one with" in errors
