"""What is done to a recovery store before Bytewax opens it."""

import os
import pickle
import sqlite3
import stat
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import init_db_dir
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import SettingsError
from dataflow.recovery import store
from dataflow.recovery.store import Partition, Prepared, prepare, resume_epoch
from tests.support.recovery import CHECKS, MADE, other_flow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    made.mkdir()
    init_db_dir(made, 2)
    return made


def write(path: Path, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(statement, rows)


def snaps(path: Path, rows: Sequence[tuple[str, str, int, Any]]) -> None:
    """``(step, key, epoch, state)`` as Bytewax writes them; the state ``...``: the key has ended."""
    pickled = [(*row, None if state is ... else pickle.dumps(state)) for *row, state in rows]
    write(path, "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, ?, ?)", pickled)


def run(path: Path, number: int, workers: int, began: int, fronts: Mapping[int, int]) -> None:
    """An execution, and how far its workers came."""
    write(
        path,
        "INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (?, ?, ?)",
        [(number, workers, began)],
    )
    statement = "INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (?, ?, ?)"
    write(path, statement, [(number, worker, epoch) for worker, epoch in fronts.items()])


def epochs(folder: Path) -> set[int]:
    found = set()
    for path in folder.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(path)) as database:
            found |= {epoch for (epoch,) in database.execute("SELECT snap_epoch FROM snaps")}
    return found


def prepared(folder: Path, made_with: Mapping[str, str] = MADE, **more: Any) -> Prepared:
    result = prepare(folder, made_with, **{**CHECKS, **more})
    assert result is not None
    result.lock.close()
    return result


def refused(folder: Path, made_with: Mapping[str, str] = MADE, **more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        prepare(folder, made_with, **{**CHECKS, **more})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_snapshots_from_the_resume_epoch_on_are_removed_from_all_partitions(folder: Path) -> None:
    prepared(folder)
    one, two = sorted(folder.glob("part-*.sqlite3"))
    run(one, 0, 2, 1, {0: 7})
    run(two, 1, 2, 5, {0: 9, 1: 8})
    snaps(one, [("step", "a", 4, 1), ("step", "a", 8, 2), ("step", "b", 7, 3), ("step", "gone", 6, ...)])
    snaps(two, [("step", "c", 9, 4), ("step", "c", 10, 5), ("step", "d", 2, 6)])
    result = prepared(folder)
    assert (result.partitions, result.epoch, result.removed) == (2, 8, 3)
    assert result.states == 3
    assert epochs(folder) == {2, 4, 6, 7}
    assert prepared(folder).removed == 0


def test_what_a_first_run_left_that_did_not_come_to_its_first_epoch_is_removed(folder: Path) -> None:
    prepared(folder)
    snaps(folder / "part-0.sqlite3", [("step", "a", 1, 1)])
    result = prepared(folder)
    assert (result.epoch, result.removed, result.states) == (1, 1, 0)


workers = st.integers(1, 4)


@given(
    workers, st.integers(1, 20), st.dictionaries(st.tuples(st.integers(0, 2), workers), st.integers(1, 40))
)
def test_the_resume_epoch_is_that_of_the_slowest_worker(
    count: int, began: int, fronts: dict[tuple[int, int], int]
) -> None:
    """As Bytewax defines it: of the newest execution, each worker at least where the execution began."""
    executions = {0: (9, 0), 1: (count, began)}
    whole = Partition(0, 1, 0, executions, fronts)
    reached = [max(began, fronts.get((1, worker), 0)) for worker in range(count)]
    assert resume_epoch(Path("store"), [whole]) == min(reached)
    halves = [
        Partition(0, 2, 0, {0: executions[0]}, fronts),
        Partition(1, 2, 0, {1: executions[1]}, {}),
    ]
    assert resume_epoch(Path("store"), halves) == min(reached)


def test_partitions_of_different_times_are_refused(folder: Path) -> None:
    prepared(folder)
    run(folder / "part-0.sqlite3", 0, 1, 1, {0: 5})
    write(folder / "part-1.sqlite3", "INSERT INTO commits (part_index, commit_epoch) VALUES (?, ?)", [(1, 6)])
    assert "different times" in refused(folder)


def test_missing_and_damaged_partitions_are_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no recovery partition" in refused(tmp_path / "empty")
    (folder / "part-1.sqlite3").rename(tmp_path / "kept")
    assert "holds 1 of 2 partitions" in refused(folder)
    (folder / "part-1.sqlite3").write_bytes(b"not a database" * 1000)
    assert "part-1.sqlite3: this recovery partition cannot be used" in refused(folder)
    (folder / "part-1.sqlite3").write_bytes(b"")
    assert "part-1.sqlite3: this recovery partition cannot be used" in refused(folder)


def test_of_a_cluster_only_one_machine_needs_to_hold_the_store(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert prepare(tmp_path / "empty", MADE, **CHECKS, addresses=("a:1", "b:1")) is None


def test_state_goes_on_only_with_what_it_was_made_with(folder: Path) -> None:
    prepared(folder, {"window.length": "1s"})
    prepared(folder)  # there was no state yet
    snaps(folder / "part-0.sqlite3", [("step", "a", 1, 1)])
    run(folder / "part-0.sqlite3", 0, 1, 1, {0: 2})
    assert prepared(folder, {**MADE, "model": "m 2"}).made_with == MADE
    assert "window.length=600s, and now it is 3600s" in refused(folder, {"window.length": "3600s"})
    assert "window.length=600s, and now it is unset" in refused(folder, {"window.gap": "5s"})
    assert prepared(folder).made_with == {**MADE, "model": "m 2"}


def test_state_of_an_older_version_is_refused(folder: Path) -> None:
    snaps(folder / "part-0.sqlite3", [("step", "a", 1, 1)])
    run(folder / "part-0.sqlite3", 0, 1, 1, {0: 2})
    assert "an older version of driftline" in refused(folder)


def test_state_of_a_source_partition_that_is_gone_is_refused(folder: Path) -> None:
    prepared(folder)
    rows = [("flow.source", "a.jsonl", 1, 10), ("flow.source", "b.jsonl", 1, 20), ("other", "c", 1, 1)]
    snaps(folder / "part-1.sqlite3", rows)
    run(folder / "part-0.sqlite3", 0, 1, 1, {0: 2})
    assert prepared(folder, source_parts=["a.jsonl", "b.jsonl"]).states == 3
    assert "b.jsonl: was read before" in refused(folder)


class Planted:
    """What an attacker puts in the place of a state."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._marker),)


def test_a_planted_pickle_is_refused_and_does_not_run(folder: Path, tmp_path: Path) -> None:
    prepared(folder)
    snaps(folder / "part-0.sqlite3", [("flow.keep", "k", 1, Planted(tmp_path / "ran"))])
    run(folder / "part-0.sqlite3", 0, 1, 1, {0: 2})
    assert "the state of 'k' in flow.keep is not plain data (posix.mkdir)" in refused(folder)
    assert not (tmp_path / "ran").exists()
    write(folder / "part-0.sqlite3", "UPDATE snaps SET ser_change = ?", [(b"garbage",)])
    assert "is not plain data" in refused(folder)


def test_only_the_owner_reads_and_writes_the_store(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.glob("*.sqlite3"):
        path.chmod(0o666)
    prepared(folder)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {
        "store": 0o700, "part-0.sqlite3": 0o600, "part-1.sqlite3": 0o600, store.LOCK: 0o600
    }  # fmt: skip


def test_two_flows_do_not_use_one_store(folder: Path) -> None:
    with other_flow(folder) as other:
        assert "another flow uses this store" in refused(folder)
        assert "another flow uses this store" in refused(folder, addresses=("a:1", "b:1"))
        other.communicate()
    prepared(folder)


def test_the_processes_of_a_cluster_share_a_store(folder: Path) -> None:
    with other_flow(folder, "a:1", "b:1") as other:
        prepared(folder, addresses=("a:1", "b:1"))
        assert "another flow uses this store" in refused(folder)
        assert "another flow uses this store" in refused(folder, addresses=("a:1", "c:1"))
        other.communicate()
    prepared(folder)
