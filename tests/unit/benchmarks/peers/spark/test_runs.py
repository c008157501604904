"""How runs of the query are judged: rows of the plainest window program, whole and split, early and late."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.spark.arrivals import Arrival, Growth, of_spark
from benchmarks.peers.spark.judged import delays, events_per_second, same_scores, whole
from benchmarks.peers.spark.tasks import Event, Task, end, members, stream
from tests.support.processes import wait_until

TASK = Task("in", "out", "checkpoint", "model", "graph", "tokenizer", length_s=60, slide_s=20, delay_s=5)
EVENTS = [Event(f"e{number}", 1000.0 + 7.5 * number, "text") for number in range(40)]


def scored(events: Sequence[Event], at: float = 0.0) -> list[Arrival]:
    """The rows of a program that scores all windows at one moment."""
    return [
        Arrival(at, window, id, 0.5, len(ids))
        for window, ids in members(events, TASK).items()
        for id in sorted(ids)
    ]


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 1e6))
def test_an_event_is_in_the_windows_that_hold_its_time(length: int, slide: int, at: float) -> None:
    slide = min(slide, length)
    task = Task("in", "out", "c", "m", "g", "t", length_s=length, slide_s=slide)
    starts = range(-length // slide * slide - slide, int(at) + slide, slide)
    assert sorted(task.windows(at)) == [start for start in starts if start <= at < start + length]


def test_a_window_is_whole_if_all_its_events_were_scored_together() -> None:
    truth, rows = members(EVENTS, TASK), scored(EVENTS)
    assert whole(rows, truth) == (len(truth), len(truth), 0)
    window = max(truth, key=lambda one: len(truth[one]))
    split = [row._replace(rows=row.rows - 1) if row.window == window else row for row in rows]
    assert whole(split, truth).whole == len(truth) - 1
    lost = [row for row in rows if (row.window, row.id) != (window, min(truth[window]))]
    assert whole(lost, truth) == (len(truth), len(truth) - 1, 1)
    assert whole([*rows, rows[0]], truth).whole == len(truth) - 1


def test_the_rate_leaves_out_the_start() -> None:
    # 30 rows arrive in 100 s, the other 70 at 7 a second.
    rows = [row._replace(at=100.0 * n / 29) for n, row in enumerate(scored(EVENTS)[:30])]
    rows += [row._replace(at=100.0 + (n + 1) / 7) for n, row in enumerate(scored(EVENTS)[30:100])]
    assert events_per_second(rows[::-1], copies=2.0) == pytest.approx(7 / 2, rel=0.05)
    # Rows of later windows come all at once, when the stream has ended.
    at_once = [row._replace(at=rows[-1].at, window=9999) for row in rows]
    assert events_per_second([*rows, *at_once], 2.0, last=9998) == pytest.approx(7 / 2, rel=0.05)


def test_a_delay_ends_with_the_last_row_of_the_window() -> None:
    rows = scored(EVENTS, at=50.0)
    first, second = sorted({row.window for row in rows})[:2]
    late = [row._replace(at=58.0) if row.window == second else row for row in rows]
    early = next(row for row in late if row.window == second)._replace(at=40.0)
    assert delays([*late, early], {first: 49.0, second: 49.5, 7: 1.0}) == [1.0, 8.5]


def test_scores_are_compared_by_event_and_window() -> None:
    rows = scored(EVENTS)
    other = [row._replace(score=0.75) if row == rows[3] else row for row in rows]
    assert same_scores(rows, other[::-1]) == 0.25
    assert same_scores(rows, rows) == 0.0


def test_the_stream_has_each_event_once_and_its_end_closes_all_windows() -> None:
    made = stream(200, per_second=10.0, start=5000.0, disorder_s=3.0)
    assert sorted(event.at for event in made) == [5000.0 + number / 10 for number in range(200)]
    assert len({event.text for event in made}) == len({event.id for event in made}) == 200
    newest = 0.0
    for event in made:
        assert event.at > newest - 3.0
        newest = max(newest, event.at)
    assert end(made).at > newest + TASK.length_s + TASK.delay_s


def test_a_row_of_spark_is_there_when_its_batch_is_committed(tmp_path: Path) -> None:
    log = tmp_path / "_spark_metadata"
    log.mkdir()

    def commit(name: str, at: float, *files: str) -> None:
        entries = [json.dumps({"path": f"file:///{file}", "size": 1}) for file in files]
        (log / name).write_text("\n".join(["v1", *entries]))
        os.utime(log / name, (at, at))

    for number in range(4):
        row = {"window_start": "2026-01-01T00:00:20.000Z", "id": f"e{number}", "score": 0.5, "rows": 4}
        (tmp_path / f"{number}.json").write_text(json.dumps(row) + "\n")
    commit("0", 100.0, "0.json")
    commit("1", 107.0, "1.json")
    commit("2.compact", 120.0, "0.json", "1.json", "2.json")
    # 3.json is not committed.
    assert [(row.at, row.id) for row in of_spark(tmp_path)] == [(100.0, "e0"), (107.0, "e1"), (120.0, "e2")]
    assert {row.window for row in of_spark(tmp_path)} == {1767225620}


def test_a_row_of_a_growing_file_is_there_when_the_file_has_its_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    rows = [
        {"window_start": "2026-01-01T00:00:20Z", "revision": number // 3, "id": f"e{number}", "score": 0.5}
        for number in range(4)
    ]
    lines = [json.dumps(row) + "\n" for row in rows]
    with Growth(path, every_s=0.001) as growth:
        assert growth.arrivals() == []
        with path.open("w") as file:
            for part in (lines[0] + lines[1][:10], lines[1][10:], lines[2] + lines[3]):
                file.write(part)
                file.flush()
                size = path.stat().st_size
                wait_until(lambda size=size: growth.bytes_seen == size)  # type: ignore[misc]
        found = growth.arrivals()
    assert [row.id for row in found] == ["e0", "e1", "e2", "e3"]
    assert found[0].at < found[1].at < found[2].at == found[3].at
    assert [row.rows for row in found] == [3, 3, 3, 1]
