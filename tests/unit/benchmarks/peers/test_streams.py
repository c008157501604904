"""What the streams of all peers have in common."""

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.spark.tasks import Event
from benchmarks.peers.streams import in_disorder, members, seconds, write_file

EVENTS = [Event(f"e{number}", 1000.0 + 7.5 * number, "text") for number in range(40)]


@given(st.floats(0, 1000))
def test_an_event_arrives_after_its_time_by_the_disorder_at_most(disorder_s: float) -> None:
    arrived = in_disorder(EVENTS, lambda event: event.at, disorder_s)
    assert sorted(arrived) == sorted(EVENTS)
    assert arrived == in_disorder(EVENTS, lambda event: event.at, disorder_s)
    newest = 0.0
    for event in arrived:
        assert event.at >= newest - disorder_s
        newest = max(newest, event.at)


@given(st.lists(st.sets(st.integers(0, 5)), max_size=40))
def test_each_event_is_a_member_of_its_windows(windows: list[set[int]]) -> None:
    events = EVENTS[: len(windows)]
    of = dict(zip(events, windows, strict=True))
    found = members(events, lambda event: of[event])
    assert found == {
        window: {event.id for event in events if window in of[event]} for window in set().union(*windows)
    }


@given(st.integers(0, 4_000_000_000))
def test_a_time_is_read_to_the_second(at: int) -> None:
    time = datetime.fromtimestamp(at, timezone.utc)
    assert seconds(time.isoformat()) == seconds(time.strftime("%Y-%m-%dT%H:%M:%S.000Z")) == at


def test_a_file_of_the_stream_is_hidden_until_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, hidden = Path.rename, []

    def renamed(path: Path, to: Path) -> Path:
        hidden.append(path.name.startswith("."))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", renamed)
    write_file(tmp_path, 3, EVENTS[:2])
    [file] = tmp_path.iterdir()
    assert hidden == [True]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["e0", "e1"]
