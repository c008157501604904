"""What a store is prepared for, and what it holds."""

import hashlib
from contextlib import closing
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from dataflow.errors import SettingsError
from dataflow.recovery import store
from dataflow.recovery.lock import lock
from dataflow.recovery.store import prepare
from tests.support.recovery import CHECKS, MADE, prepared, refused, run, snaps


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


def test_a_store_keeps_its_identity_and_another_one_has_another(folder: Path) -> None:
    first = prepared(folder).identity
    assert prepared(folder, {**MADE, "model": "m 2"}).identity == first
    for path in folder.iterdir():
        path.unlink()
    init_db_dir(folder, 2)
    assert prepared(folder).identity != first


def test_state_of_an_older_version_is_refused(folder: Path) -> None:
    snaps(folder / "part-0.sqlite3", [("step", "a", 1, 1)])
    run(folder / "part-0.sqlite3", 0, 1, 1, {0: 2})
    assert "an older version of driftline" in refused(folder)


def test_the_states_that_a_flow_resumes_from_are_read(folder: Path) -> None:
    prepared(folder)
    one, two = sorted(folder.glob("part-*.sqlite3"))
    snaps(
        one, [("step", "a", 3, 1), ("step", "a", 6, {"b": b"2"}), ("step", "a", 7, 3), ("other", "a", 6, 4)]
    )
    snaps(two, [("step", "b", 5, 5), ("step", "gone", 4, 6), ("step", "gone", 6, ...)])
    run(one, 0, 1, 1, {0: 7})
    assert store.read_states(folder, ["step", "other", "none"]) == [{"a": {"b": b"2"}, "b": 5}, {"a": 4}, {}]


def test_the_partitions_that_the_source_has_state_of_are_known(folder: Path) -> None:
    assert prepared(folder).source_parts == frozenset()
    one, two = sorted(folder.glob("part-*.sqlite3"))
    step = CHECKS["source_step"]
    snaps(one, [(step, "a", 3, 1), (step, "b", 3, 1), (step, "b", 4, ...), ("other", "d", 3, 1)])
    snaps(two, [(step, "c", 5, 5)])
    run(one, 0, 1, 1, {0: 7})
    assert prepared(folder, source_parts=["a", "c", "new"]).source_parts == {"a", "c"}


def test_states_are_not_read_while_a_flow_uses_the_store(folder: Path) -> None:
    with closing(lock(folder, "another")), pytest.raises(SettingsError, match="another flow uses this store"):
        store.read_states(folder, ["step"])
    with closing(lock(folder, "nobody uses it now")):
        pass


def files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_reading_a_store_changes_nothing(folder: Path, tmp_path: Path) -> None:
    prepared(folder)
    snaps(folder / "part-1.sqlite3", [("flow.window", "k", 6, 1), ("flow.window", "k", 8, 1)])
    run(folder / "part-0.sqlite3", 0, 1, 1, {0: 7})
    before = files(folder)
    contents = store.read(folder)
    assert contents
    assert (contents.partitions, contents.epoch, contents.steps) == (2, 7, {"flow.window"})
    assert contents.made_with == MADE
    assert contents.written == max(path.stat().st_mtime for path in folder.glob("*.sqlite3"))
    assert files(folder) == before
    (tmp_path / "empty").mkdir()
    assert store.read(tmp_path / "empty") is None


def test_the_size_is_that_of_all_files(folder: Path) -> None:
    assert store.size(folder) == sum(path.stat().st_size for path in folder.iterdir()) > 0
