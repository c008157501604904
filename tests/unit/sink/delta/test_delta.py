"""A Delta table has each row once, whatever crashes."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tests.support.delta_sinks import AT_ONCE, NEVER, ids, late, sink
from tests.support.plain import stored
from tests.support.tables import appended, commits


def play(table: Path, rows: list[str], rng: random.Random) -> None:
    """Write ``rows``, with crashes after which the rows come again in another order and in other batches."""
    saved: list[tuple[Any, Counter[str]]] = [(None, Counter())]
    for crashes in (True, True, True, False):
        # Bytewax may not have finished the newest snapshots.
        state, covered = saved[-min(len(saved), rng.randint(1, 3))]
        saved = [(state, covered)]
        options: dict[str, Any] = {
            "append_every": rng.choice([AT_ONCE, NEVER]),
            "append_bytes": rng.choice([1, 1500, 1 << 20]),
        }
        part = sink(table, state, **options)
        todo = sorted((Counter(rows) - covered).elements(), key=lambda _: rng.random())
        while todo:
            taken, todo = todo[: (size := rng.randint(1, 6))], todo[size:]
            part.write_batch([late(*taken, day=rng.randint(0, 1))])
            covered = covered + Counter(taken)
            if rng.random() < 0.5:
                saved.append((stored(part.snapshot()), covered))
            if crashes and rng.random() < 0.3:
                break
        if not crashes or rng.random() < 0.3:
            part.close()
        if rng.random() < 0.3 and DeltaTable.is_deltatable(table):
            DeltaTable(table).optimize.compact()


@pytest.mark.parametrize("seed", range(25))
def test_each_row_is_there_once_wherever_the_flow_crashes(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    rows = [f"e{rng.randint(0, 40)}" for _ in range(40)]  # some events came several times
    play(tmp_path / "t", rows, rng)
    assert Counter(ids(tmp_path / "t")) == Counter(rows)


def test_nothing_is_removed_from_the_table(tmp_path: Path) -> None:
    """So that others can follow the table."""
    play(tmp_path / "t", [f"e{n}" for n in range(40)], random.Random(0))
    changes = [action for actions in commits(tmp_path / "t") for action in actions]
    assert not any(action["remove"]["dataChange"] for action in changes if "remove" in action)


def test_a_crash_after_the_append_and_before_the_first_snapshot_brings_no_row_twice(tmp_path: Path) -> None:
    sink(tmp_path / "t").write_batch([late("a", "b")])
    first = sink(tmp_path / "t")
    first.write_batch([late("a", "b")])
    first.snapshot()  # and this snapshot is lost
    resumed = sink(tmp_path / "t")
    resumed.write_batch([late("b"), late("a", "c")])
    resumed.snapshot()
    assert sorted(ids(tmp_path / "t")) == ["a", "b", "c"]


@pytest.mark.parametrize("stores", [("one", "other"), (None, None)], ids=["another store", "no store"])
def test_a_new_start_appends_all_rows(tmp_path: Path, stores: tuple[str | None, str | None]) -> None:
    for store in stores:
        part = sink(tmp_path / "t", store=store)
        part.write_batch([late("a")])
        part.close()
    assert ids(tmp_path / "t") == ["a", "a"]


def test_rows_wait_in_the_state_until_their_time_or_size_is_reached(tmp_path: Path) -> None:
    part = sink(tmp_path / "t", append_every=NEVER)
    part.write_batch([late("a"), late("b")])
    state = part.snapshot()
    assert not DeltaTable.is_deltatable(tmp_path / "t")
    resumed = sink(tmp_path / "t", state, append_every=NEVER)
    resumed.write_batch([late("c")])
    assert not DeltaTable.is_deltatable(tmp_path / "t")
    large = sink(tmp_path / "t", resumed.snapshot(), append_every=NEVER, append_bytes=500)
    for number in range(20):
        large.write_batch([late(f"d{number}")])
    first = appended(tmp_path / "t")[0]["id"].to_pylist()
    assert first[:4] == ["a", "b", "c", "d0"]
    assert 1 < len(commits(tmp_path / "t")) < 10
