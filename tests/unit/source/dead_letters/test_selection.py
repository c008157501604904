"""What was sent, and what may be sent again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dataflow.errors import SourceError
from dataflow.source.dead_letters.selection import FILE, Known, Record, Selection

JSON, EVENT = '{"format":"jsonl"}', '{"format":"event"}'


def record(offset: int, *, metadata: str = JSON, digest: bytes = b"d", ts: int = 0) -> Record:
    return Record("p", offset, ts, metadata, digest, b"raw", 0, None, None, None)


@pytest.fixture
def selection(tmp_path: Path) -> Iterator[Selection]:
    with closing(Selection(tmp_path, create=True)) as opened:
        yield opened


def send(selection: Selection, *records: Record) -> int:
    with selection.change():
        number = selection.begin(state="running", append=False, inputs=["a"])
        for each in records:
            selection.add(number, each)
    return number


def known(selection: Selection, each: Record, *, again: bool = False) -> tuple[bool, Known]:
    counted = Known()
    return selection.is_new(each, counted, again=again), counted


def test_a_record_is_new_until_it_is_sent_and_when_the_send_is_forgotten(selection: Selection) -> None:
    assert known(selection, record(1)) == (True, Known())
    number = send(selection, record(1), record(2))
    assert known(selection, record(1)) == (False, Known(sent=1))
    assert known(selection, record(1), again=True) == (False, Known(sent=1))
    assert known(selection, record(3)) == (True, Known())
    assert selection.forget(number) == 2
    assert known(selection, record(1)) == (True, Known())
    # The number is used once, because the output of the send is still in its folder.
    assert send(selection, record(1)) == number + 1


def test_a_refused_record_may_be_sent_again_on_request(selection: Selection) -> None:
    selection.finish(send(selection, record(1), record(2)), [("p", 1)])
    assert known(selection, record(1)) == (False, Known(refused=1))
    assert known(selection, record(1), again=True) == (True, Known())
    assert known(selection, record(2), again=True) == (False, Known(sent=1))
    second = send(selection, record(1))
    assert known(selection, record(1), again=True) == (False, Known(sent=1))
    assert selection.count(second) == 1


def test_another_record_at_the_position_of_a_sent_one_is_not_taken_for_it(selection: Selection) -> None:
    send(selection, record(1), record(2, metadata=EVENT))
    assert known(selection, record(1, digest=b"other")) == (False, Known(others=1))
    # With other settings, the same record is decoded to another event.
    assert known(selection, record(1, digest=b"other", metadata=EVENT)) == (False, Known(sent=1))
    assert known(selection, record(2, digest=b"other")) == (False, Known(sent=1))


def test_a_selection_that_fails_leaves_nothing(selection: Selection) -> None:
    def fail() -> None:
        with selection.change():
            selection.add(selection.begin(state="running", append=False, inputs=[]), record(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert selection.sends() == []
    assert known(selection, record(1)) == (True, Known())


def test_records_come_by_event_time_and_offset_from_any_position(selection: Selection) -> None:
    number = send(selection, *(record(offset, ts=-offset // 2) for offset in range(9)))
    whole = selection.read(number, "p", (-100, 0), 100)
    assert [(each.ts, each.offset) for each in whole] == sorted((-offset // 2, offset) for offset in range(9))
    for at, each in enumerate(whole):
        assert selection.read(number, "p", (each.ts, each.offset), 2) == whole[at + 1 : at + 3]


def test_a_finished_send_keeps_no_records(selection: Selection) -> None:
    number = send(selection, record(1))
    selection.finish(number, [])
    (each,) = selection.read(number, "p", (-1, 0), 9)
    assert (each.raw, each.digest) == (b"", b"d")
    assert [send.state for send in selection.sends()] == ["done"]


def test_the_file_is_for_its_owner_and_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no replay; "):
        Selection(tmp_path)
    Selection(tmp_path, create=True).close()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(SourceError, match="cannot be opened"):
        Selection(tmp_path)
