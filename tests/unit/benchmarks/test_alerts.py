"""The benchmark of alerts: the streams are what they say, and replayed alerts are those of the flow."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.kit import weeks
from benchmarks.kit.incidents import Burst, bursts, detection, open_hours, rate
from benchmarks.kit.judged import alerts, scored
from benchmarks.kit.labelled import FLOW, Case, Event
from benchmarks.kit.weeks import HOUR_US, START_US
from benchmarks.quality import run
from dataflow.embed.null import NullEmbedder
from dataflow.settings import load

MINUTE = 60_000_000
#: Many alerts of a short stream.
EAGER = {
    "DRIFTLINE_ALERT__BUDGET": "1000/d",
    "DRIFTLINE_ALERT__HISTORY": "0s",
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SOURCE__KEY_FIELD": "key",
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_lines_of_a_block_stay_together(rng: np.random.Generator) -> None:
    drawn = [int(each) for each in weeks.resampled([str(i) for i in range(100)], 95, rng, block=10)]
    assert len(drawn) == 95
    assert all(b == a + 1 for i, (a, b) in enumerate(itertools.pairwise(drawn)) if (i + 1) % 10)
    assert len({drawn[i] for i in range(0, 95, 10)}) > 5


def test_the_topic_comes_at_the_change_in_turns(rng: np.random.Generator) -> None:
    found = weeks.changed(["old"] * 70, ["new"], 3 / 7, rng)
    assert Counter(found[:30]) == {"old": 30}
    assert Counter(found[30:]) == {"old": 20, "new": 20}


def test_the_traffic_of_keys_is_uneven(rng: np.random.Generator) -> None:
    (first, n), (_, m), *_ = Counter(weeks.keys(10_000, 50, rng)).most_common()
    assert first == "k0"
    assert 1.5 < n / m < 2.5


def test_a_flood_is_in_one_window_and_the_stream_stays_in_order(rng: np.random.Generator) -> None:
    stream = weeks.events(["text"] * 200, rng)
    found = weeks.flooded(stream, "flood", 100, START_US + HOUR_US)
    assert [event.line["ts"] for event in found] == sorted(event.line["ts"] for event in found)
    assert [event for event in found if not event.label] == stream
    [burst] = bursts(found, MINUTE)
    assert burst.first == START_US + HOUR_US
    assert burst.last < burst.first + 5 * MINUTE


def test_alerts_that_are_decided_again_are_those_of_the_flow(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    texts = weeks.changed([f"text {i}" for i in rng.integers(40, size=400)], ["a", "b"], 0.9, rng)
    case = Case("small", weeks.events(texts, rng, of_keys=weeks.keys(400, 3, rng)), EAGER)
    source, sink = tmp_path / "stream.jsonl", tmp_path / "alerts.jsonl"
    source.write_text("".join(json.dumps(event.line) + "\n" for event in case.events))
    files = {"DRIFTLINE_SOURCE__URI": f"file:{source}", "DRIFTLINE_SINK__ALERTS": f"file:{sink}"}
    scores = {"DRIFTLINE_SINK__SCORES": f"file:{tmp_path / 'scores.jsonl'}"}
    run(load({**FLOW, **case.environ, **files, **scores}), NullEmbedder(16))
    expected = [json.loads(line) for line in sink.read_text().splitlines()]
    stream = scored(case, NullEmbedder(16))
    assert [_said(row) for row in alerts(stream)] == [_said(row) for row in expected]
    few = alerts(stream, budget="1/d")
    assert 0 < sum(row["state"] == "open" for row in few) < sum(row["state"] == "open" for row in expected)


def _said(row: dict[str, Any]) -> list[Any]:
    return [row[name] for name in ("incident", "sequence", "state", "key", "count", "peak", "message")]


def row(incident: str, state: str, at: int, count: int, examples: str, into: str | None = None) -> Any:
    """A row that is decided at ``at`` minutes; the last event was two minutes before."""
    return {
        "incident": incident,
        "state": state,
        "decided": at * MINUTE,
        "window_start": (at - 10) * MINUTE,
        "last_ts": (at - 2) * MINUTE,
        "count": count,
        "merged_into": into,
        "examples": [{"id": each} for each in examples.split()],
    }


def test_new_incidents_are_counted_by_time() -> None:
    rows = [row("a", "open", 10, 1, "x"), row("a", "closed", 40, 1, "x"), row("b", "open", 60, 1, "x")]
    assert rate(rows, 10 * MINUTE, 60 * MINUTE) == pytest.approx(24 * 60 / 50)
    assert open_hours(rows) == [0.5, 0.0]


def events(*minutes: int) -> list[Event]:
    return [Event({"id": f"bad{m}", "ts": f"1970-01-01T00:{m:02}:00Z"}, True) for m in minutes]


def test_events_within_the_gap_are_one_burst() -> None:
    normal = Event({"id": "n", "ts": "1970-01-01T00:15:00Z"}, False)
    found = bursts([*events(10, 14), normal, *events(19, 30)], 5 * MINUTE)
    assert found == [Burst(10 * MINUTE, 19 * MINUTE), Burst(30 * MINUTE, 30 * MINUTE)]


def test_a_burst_is_found_by_incidents_that_grow_in_it() -> None:
    rows = [
        row("a", "open", 5, 1, "bad12"),
        row("b", "open", 15, 1, "bad12"),
        row("false", "open", 15, 1, "n"),
        row("a", "updated", 20, 2, "bad12 bad14"),
        row("b", "merged", 20, 1, "bad12", "a"),
        # Not about the burst at 30 min: the last event is older, or there is no new one.
        row("a", "updated", 31, 3, "bad12 bad14"),
        row("a", "updated", 40, 3, "bad12 bad14"),
        row("false", "closed", 45, 1, "n"),
        row("c", "open", 58, 1, "bad55"),
        row("a", "reopened", 58, 4, "bad12 bad14 bad55"),
    ]
    found = detection(events(12, 14, 30, 55), rows, 5 * MINUTE, 10 * MINUTE)
    assert found.found == [1, 0, 2]
    assert found.delays == [180.0, 180.0]
    assert (found.true, found.false) == (2, 1)
