"""Only snapshots of finished epochs and of plain data are loaded."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from dataflow.recovery.snapshots import read_steps
from tests.support.recovery import prepared, refused, run, snaps, write


def epochs(folder: Path) -> set[int]:
    found = set()
    for path in folder.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(path)) as database:
            found |= {epoch for (epoch,) in database.execute("SELECT snap_epoch FROM snaps")}
    return found


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


def test_the_steps_are_those_of_all_partitions(folder: Path) -> None:
    assert read_steps(sorted(folder.glob("*.sqlite3"))) == set()
    snaps(folder / "part-0.sqlite3", [("flow.a", "k", 1, 1), ("flow.b", "k", 1, 1), ("flow.a", "l", 2, 1)])
    snaps(folder / "part-1.sqlite3", [("flow.c", "k", 1, 1)])
    assert read_steps(sorted(folder.glob("*.sqlite3"))) == {"flow.a", "flow.b", "flow.c"}
