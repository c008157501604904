"""The spool: an SQLite file."""

import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.errors import SourceError
from dataflow.sink.webhook import spool as module
from dataflow.sink.webhook.spool import Change, Spool, lock, names, path_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_of(tmp_path, "host-1")


def change(incident: str, sequence: int, row: bytes = b"{}") -> Change:
    return Change(incident, sequence, row)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=5), max_size=5))
def test_a_change_waits_once_however_often_it_comes(path: Path, batches: list[list[tuple[str, int]]]) -> None:
    path.unlink(missing_ok=True)
    spool = Spool(path)
    for number, each in enumerate(batches):
        spool.add([change(*identity, b"%d" % number) for identity in each], number)
    firsts: dict[tuple[str, int], bytes] = {}
    for number, each in enumerate(batches):
        for identity in each:
            firsts.setdefault(identity, b"%d" % number)
    found = [spool.change(number) for number, _ in spool.waiting()]
    assert [(each.incident, each.sequence, each.row) for each in found] == [
        (*identity, row) for identity, row in firsts.items()
    ]
    assert spool.oldest() == next((n for n, each in enumerate(batches) if each), None)
    spool.close()


def test_what_is_posted_stays_known_over_a_restart_and_its_row_goes(path: Path) -> None:
    spool = Spool(path, "https://host/{api}")
    spool.add([change("a", 0, b"secret text"), change("a", 1)], 0)
    ((first, _), (second, _)) = spool.waiting()
    spool.posted(first)
    spool.close()
    again = Spool(path, "other")
    assert (again.id, again.uri) == (spool.id, "https://host/{api}")
    again.add([change("a", 0), change("a", 1), change("a", 2)], 0)
    assert again.waiting()[0][0] == second
    assert again.counts() == {"waiting": 2, "refused": 0}
    assert again._do("SELECT row FROM changes WHERE number = ?", (first,)) == [(None,)]
    again.close()


def test_old_identities_are_forgotten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    spool = Spool(path)
    spool.add([change("a", sequence) for sequence in range(10)], 0)
    numbers = [number for number, _ in spool.waiting()]
    spool.refused(numbers[0], "no")
    for number in numbers[2:]:
        spool.posted(number)
    assert [sequence for (sequence,) in spool._do("SELECT sequence FROM changes ORDER BY number")] == [
        0,
        1,
        7,
        8,
        9,
    ]
    spool.add([change("a", 2), change("a", 9)], 0)
    assert len(spool.waiting()) == 2
    spool.close()


def test_changes_that_are_sent_again_come_after_those_that_wait(path: Path) -> None:
    spool = Spool(path)
    spool.add([change("a", 0), change("b", 0), change("c", 0)], 0)
    for number, _ in spool.waiting()[:2]:
        spool.refused(number, "no")
    assert spool.send_again() == 2
    spool.add([change("d", 0)], 0)
    assert [incident for _, incident in spool.waiting()] == ["c", "a", "b", "d"]
    assert spool.all_refused() == []
    spool.close()


def test_refused_changes_that_are_dropped_stay_known(path: Path) -> None:
    spool = Spool(path)
    spool.add([change("a", 0)], 0)
    spool.refused(spool.waiting()[0][0], "no")
    assert spool.drop() == 1
    spool.add([change("a", 0)], 0)
    assert spool.counts() == {"waiting": 0, "refused": 0}
    spool.close()


def test_only_the_owner_may_read_the_texts(path: Path) -> None:
    Spool(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_flow_is_refused_in_one_line(path: Path) -> None:
    with lock(path), pytest.raises(SourceError, match="another flow posts from this spool") as caught:
        lock(path)
    assert "\n" not in str(caught.value)
    lock(path).close()


def test_a_file_that_is_no_spool_is_refused_in_one_line(path: Path) -> None:
    path.write_text("text " * 1000)
    with pytest.raises(SourceError, match="not a database") as caught:
        Spool(path)
    assert "\n" not in str(caught.value)


def test_a_path_that_cannot_be_opened(path: Path) -> None:
    path.mkdir()
    with pytest.raises(SourceError, match=r"Is a directory.*; see webhook\.spool"):
        Spool(path)


def test_a_full_disk_is_one_line(path: Path) -> None:
    spool = Spool(path)
    spool._do("PRAGMA max_page_count = 8")
    with pytest.raises(SourceError, match="database or disk is full; free space"):
        spool.add([change("a", sequence, b"x" * 5000) for sequence in range(20)], 0)
    assert spool.waiting() == []  # all or nothing
    spool.close()


def test_names_of_the_spools_in_a_folder(tmp_path: Path) -> None:
    for name in ("b-2", "a-1"):
        sqlite3.connect(path_of(tmp_path, name)).close()
    (tmp_path / "a-1.lock").touch()
    assert names(tmp_path) == ["a-1", "b-2"]
    assert names(tmp_path / "none") == []
