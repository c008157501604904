"""What the engines are asked for: streams, windows, the answer, and how what they write is judged."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.engines.programs import work
from benchmarks.peers.engines.tasks import (
    START_S,
    Event,
    Label,
    Window,
    distances,
    end,
    judge,
    members,
    read,
    read_scores,
    stream,
)
from dataflow.embed.null import NullEmbedder

LENGTH_S, SLIDE_S = 60, 20
EVENTS = stream(200, keys=3, span_s=300.0, disorder_s=10.0)
TRUTH = members(EVENTS, LENGTH_S, SLIDE_S)
RIGHT = distances(EVENTS, TRUTH)


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(work, "TASK", {"began": str(tmp_path / "began"), "pause_s": 0.0})
    return tmp_path / "began"


def written(events: Sequence[Event]) -> dict[Label, str]:
    """What the programs write for each window, with the work that they share."""
    embedder, by_id = work.NullEmbedder(), {event.id: event for event in events}
    return {
        label: work.scored(
            label.key, label.start * 1000, sorted(ids), [embedder.embed(by_id[id].text) for id in sorted(ids)]
        )
        for label, ids in members(events, LENGTH_S, SLIDE_S).items()
    }


@given(st.lists(st.text(), min_size=1, max_size=20))
def test_programs_embed_as_the_dataflow_does(texts: list[str]) -> None:
    embedder = work.NullEmbedder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "TASK", {"began": "/dev/null", "pause_s": 0.0})
        vectors = np.stack([embedder.embed(text) for text in texts])
    np.testing.assert_allclose(vectors, NullEmbedder().embed(texts).vectors, rtol=1e-6)
    assert vectors.dtype == np.float32


def test_the_first_event_that_is_embedded_begins_the_measurement(began: Path) -> None:
    work.NullEmbedder().embed("text")
    first = began.read_text()
    assert float(first) > START_S - 1e9
    again = work.NullEmbedder()  # of another worker
    for text in ("text", "another text"):
        again.embed(text)
        assert began.read_text() == first


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 10_000_000))
def test_an_event_is_in_the_windows_of_its_key_that_hold_its_time(
    length: int, slide: int, after_ms: int
) -> None:
    slide = min(slide, length)
    event = Event("e", "k", START_S * 1000 + after_ms, "text")
    at = event.at_ms / 1000
    first = int(at) // slide * slide
    starts = [
        start for start in range(first - 101 * slide, first + slide, slide) if start <= at < start + length
    ]
    assert members([event], length, slide) == {Label(start, "k"): {"e"} for start in starts}


@given(st.integers(1, 300), st.integers(1, 20), st.floats(0, 30))
def test_an_event_comes_late_by_the_disorder_at_most_and_the_end_closes_all(
    events: int, keys: int, disorder_s: float
) -> None:
    made = stream(events, keys, 600.0, disorder_s)
    assert len({event.id for event in made}) == len({event.text for event in made}) == events
    assert len({event.key for event in made}) == min(keys, events)
    newest = 0
    for event in made:
        assert event.at_ms >= newest - disorder_s * 1000
        newest = max(newest, event.at_ms)
    assert end(made).at_ms > newest + 60_000


@pytest.mark.parametrize("field", ["line", "_value", None])
def test_windows_that_programs_write_are_whole_and_right(
    tmp_path: Path, field: str | None, began: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    texts = list(written(EVENTS).values())
    lines = [json.dumps({field: text, "diff": 1}) if field else text for text in texts]
    (folder / "a.jsonl").write_text("".join(line + "\n" for line in lines[::2]))
    (folder / "b.jsonl").write_text("".join(line + "\n" for line in lines[1::2]) + '{"line": "{')
    (folder / ".c.inprogress").write_text(lines[0] + "\n")
    judged = judge(read(folder), TRUTH, RIGHT)
    assert judged[:4] == (len(TRUTH), len(TRUTH), 0, 0)
    assert judged.difference < 1e-6


def test_the_rows_of_the_dataflow_are_windows(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for label, ids in TRUTH.items():
        start = f"{np.datetime64(label.start, 's')}Z"
        common = {"window_start": start, "key": label.key, "revision": 0}
        rows += [common | {"id": id, "score": RIGHT[label][id]} for id in ids]
    scores = tmp_path / "scores.jsonl"
    scores.write_text("".join(json.dumps(row) + "\n" for row in rows[::-1]) + '{"id')
    assert judge(read_scores(scores), TRUTH, RIGHT) == (len(TRUTH), len(TRUTH), 0, 0, 0.0)


@given(st.data())
def test_each_window_is_whole_or_missing_or_split(data: st.DataObject) -> None:
    found: list[Window] = []
    wanted = {"whole": 0, "missing": 0, "split": 0}
    for label, ids in TRUTH.items():
        fates = ["whole", "missing", "twice", "in parts", "a part", "another event"]
        fate = data.draw(st.sampled_from(fates))
        inside = sorted(ids)
        whole = Window(label, tuple(inside), tuple(RIGHT[label][id] for id in inside), 1.0)
        part = Window(label, whole.ids[1:], whole.scores[1:], 2.0)
        more = Window(label, (*whole.ids, "another"), (*whole.scores, 0.0), 2.0)
        found += {
            "whole": [whole],
            "missing": [],
            "twice": [whole, whole._replace(at=3.0)],
            "in parts": [whole._replace(ids=whole.ids[:1], scores=whole.scores[:1]), part],
            "a part": [part],
            "another event": [more],
        }[fate]
        wanted[fate if fate in ("whole", "missing") else "split"] += 1
    judged = judge(found, TRUTH, RIGHT)
    assert judged == (len(TRUTH), wanted["whole"], wanted["missing"], wanted["split"], 0.0)


def test_a_wrong_distance_is_seen() -> None:
    label = next(iter(TRUTH))
    inside = sorted(TRUTH[label])
    scores = [RIGHT[label][id] for id in inside]
    scores[-1] += 0.25
    judged = judge([Window(label, tuple(inside), tuple(scores), 1.0)], TRUTH, RIGHT)
    assert judged.whole == 1
    assert judged.difference == pytest.approx(0.25)
