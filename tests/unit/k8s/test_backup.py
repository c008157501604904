"""``backup.py`` copies the recovery partitions while a writer has them open."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SCRIPT = ROOT / "k8s" / "base" / "backup.py"


def backup(store: Path, copy: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SCRIPT, store, copy], capture_output=True, text=True, check=False, umask=0o022
    )


def rows(partition: Path) -> list[int]:
    with closing(sqlite3.connect(partition)) as database:
        return [row for (row,) in database.execute("SELECT n FROM snaps ORDER BY n")]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two partitions, with one committed row each."""
    folder = tmp_path / "store"
    folder.mkdir()
    for number in range(2):
        with closing(sqlite3.connect(folder / f"part-{number}.sqlite3")) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE snaps (n INTEGER)")
            database.execute("INSERT INTO snaps VALUES (?)", (number,))
            database.commit()
    return folder


def test_a_copy_has_what_is_committed_while_a_writer_goes_on(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with closing(sqlite3.connect(store / "part-0.sqlite3")) as writer:
        writer.execute("INSERT INTO snaps VALUES (10)")
        writer.commit()
        writer.execute("INSERT INTO snaps VALUES (11)")
        done = backup(store, copy)
        writer.commit()
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 partitions copied\n", "")
    assert [rows(copy / f"part-{number}.sqlite3") for number in range(2)] == [[0, 10], [1]]
    assert rows(store / "part-0.sqlite3") == [0, 10, 11]


def test_a_new_copy_replaces_the_old_one(store: Path, tmp_path: Path) -> None:
    copy, interrupted = tmp_path / "copy", tmp_path / "copy.new"
    for folder in (copy, interrupted):
        folder.mkdir()
        (folder / "part-9.sqlite3").touch()
    assert backup(store, copy).returncode == 0
    assert sorted(path.name for path in copy.iterdir()) == ["part-0.sqlite3", "part-1.sqlite3"]
    assert not interrupted.exists()


def test_only_the_owner_can_read_a_copy(store: Path, tmp_path: Path) -> None:
    assert backup(store, tmp_path / "copy").returncode == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "copy").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700


def test_a_store_without_partitions_is_refused_and_the_old_copy_stays(store: Path, tmp_path: Path) -> None:
    copy, wrong = tmp_path / "copy", tmp_path / "wrong"
    assert backup(store, copy).returncode == 0
    done = backup(wrong, copy)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {wrong} contains no recovery partitions\n"
    assert [rows(copy / f"part-{number}.sqlite3") for number in range(2)] == [[0], [1]]
