"""Which partitions make a whole store, and where Bytewax resumes on it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dataflow.recovery.partitions import Partition, resume_epoch
from tests.support.recovery import prepared, refused, run, write

WORKERS = st.integers(1, 4)


@given(
    WORKERS, st.integers(1, 20), st.dictionaries(st.tuples(st.integers(0, 2), WORKERS), st.integers(1, 40))
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
