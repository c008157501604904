"""Other flows and other users are kept out of a store."""

import stat
from pathlib import Path

from dataflow.recovery.lock import LOCK
from tests.support.recovery import other_flow, prepared, refused


def test_only_the_owner_reads_and_writes_the_store(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.glob("*.sqlite3"):
        path.chmod(0o666)
    prepared(folder)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {
        "store": 0o700, "part-0.sqlite3": 0o600, "part-1.sqlite3": 0o600, LOCK: 0o600
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
