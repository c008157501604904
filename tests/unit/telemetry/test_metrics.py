"""Metrics are what docs/reference/metrics.md says, and show what state holds, also after a restart."""

import math
import re
from datetime import datetime, timedelta, timezone
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dataflow.clock import micros
from dataflow.decode.batch import decode
from dataflow.items.rows import Rows
from dataflow.items.schemas import REASONS, dead_letters, raw_schema
from dataflow.items.windows import WholeWindow, WindowRef
from dataflow.score.scorers import open_scorer
from dataflow.score.window import score_window
from dataflow.settings import Score, Settings, Source
from dataflow.source.framing import raw_batch
from dataflow.source.lag import PartitionLag
from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects
from dataflow.window import gauges
from dataflow.window.logics import _Common, _KeepLogic, _Loads, _WindowLogic
from dataflow.window.machine import Windows
from dataflow.window.messages import Append, Drop, Gather, Recall, Trim
from dataflow.window.progress import Stamped
from tests.support.monitoring import declared
from tests.support.paths import ROOT
from tests.support.windowing import Arrival, Harness, at, batch, spec

DOCUMENT = (ROOT / "docs" / "reference" / "metrics.md").read_text()
TABLE = re.findall(r"^\| `(driftline_\w+)` \| (\w+) \|(.*?)\|", DOCUMENT, re.MULTILINE)
SECOND = 1_000_000


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(f"driftline_{name}", labels)
    assert found is not None, name
    return found


def test_the_document_has_every_metric_with_its_type_and_labels() -> None:
    told = [(name, kind, set(re.findall(r"\w+", labels))) for name, kind, labels in TABLE]
    assert sorted(map(str, told)) == sorted(map(str, declared()))


def test_values_of_labels_are_there_from_the_start_and_documented() -> None:
    families = {f.name: f for f in text_string_to_metric_families(generate_latest().decode())}
    reasons = {sample.labels["reason"] for sample in families["driftline_dead_letters"].samples}
    assert reasons == set(REASONS)
    for name in ("late_events", "cache_lookups", "tokens", "watermark_timestamp_seconds"):
        samples = families[f"driftline_{name}"].samples
        assert len(samples) == 2
        for sample in samples:
            (label,) = sample.labels.values()
            assert f"`{label}`" in DOCUMENT


@given(st.lists(st.lists(st.floats(-1, 20) | st.sampled_from([0.1, 0.5, 10.0]))))
def test_arrays_are_counted_as_their_values_one_by_one(batches: list[list[float]]) -> None:
    edges = (0.1, 0.5, 10)
    ours = metrics.ArrayHistogram("test_ours", "", edges)
    theirs = Histogram("test_theirs", "", buckets=edges)
    try:
        for values in batches:
            ours.observe(np.array(values, np.float64))
            for each in values:
                theirs.observe(each)
        found, expected = (
            {
                s.name.rpartition("_")[2] + s.labels.get("le", ""): s.value
                for f in h.collect()
                for s in f.samples
            }
            for h in (ours, theirs)
        )
        assert found == pytest.approx(expected)
    finally:
        REGISTRY.unregister(ours)
        REGISTRY.unregister(theirs)


class Key:
    """A key's window logic and its chunks' keepers, as bytewax runs them."""

    def __init__(self, window: Any, state: tuple[Any, dict[int, Any]] | None = None) -> None:
        mine, chunks = state or (None, {})
        self._loads = _Loads(lambda: at(0))
        self._logic = _WindowLogic(_Common(window, lambda: at(0), (), self._loads), mine)
        self._keepers = {chunk: _KeepLogic(self._loads, kept) for chunk, kept in chunks.items()}

    def push(self, rows: pa.RecordBatch) -> None:
        items, _ = self._logic.on_batch([Stamped(rows, ())])
        for item in items:
            if isinstance(item, Append | Trim | Drop | Recall):
                keeper = self._keepers.get(item.chunk) or _KeepLogic(self._loads, None)
                self._keepers[item.chunk] = keeper
                if keeper.on_batch([item])[1]:
                    del self._keepers[item.chunk], keeper

    def snapshot(self) -> tuple[Any, dict[int, Any]]:
        return self._logic.snapshot(), {chunk: k.snapshot() for chunk, k in self._keepers.items()}


def state() -> list[float]:
    names = ("state_keys", "state_rows", "state_bytes", "windows_open", "event_time_skew_seconds")
    bounds = [value("watermark_timestamp_seconds", bound=bound) for bound in ("lowest", "highest")]
    return [*map(value, names), *bounds]


NOTHING = [0, 0, 0, 0, math.nan, math.nan, math.nan]


@pytest.mark.parametrize(
    "window",
    [spec(length=10, slide=5, delay=3), spec(kind="session", gap=5, delay=3)],
    ids=["sliding", "session"],
)
def test_the_gauges_show_what_is_held_through_a_restart_until_it_is_let_go(
    window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("KEYS", "CHUNKS"):
        monkeypatch.setattr(gauges, kind, LiveObjects())
    assert state() == pytest.approx(NOTHING, nan_ok=True)
    rows = batch([Arrival(1), Arrival(12), Arrival(11), Arrival(9)])
    first, second = Key(window), Key(window)
    first.push(rows.slice(0, 3))
    first.push(rows.slice(3))
    second.push(batch([Arrival(100), Arrival(101)]))
    held = state()
    keys, _, size, windows, skew, lowest, highest = held
    # The watermark of the first is at 9: of its sliding windows, three have not ended, [0, 10) to [10, 20).
    assert (keys, skew, lowest, highest) == (2, 3, 9, 98)
    assert windows == (3 + 2 if window.kind == "sliding" else 1 + 1)
    assert size > 0
    stores = first.snapshot(), second.snapshot()
    del first, second
    assert state() == pytest.approx(NOTHING, nan_ok=True)
    again = [Key(window, store) for store in stores]
    assert state() == pytest.approx(held, rel=0.05)
    for key in again:
        key.push(batch([Arrival(1000)]))
    assert state()[:2] == [2, 2]
    assert state()[-2:] == [997, 997]


@given(
    st.lists(st.integers(0, 300), min_size=1),
    st.sampled_from(
        [spec(length=60, slide=7, delay=9), spec(length=20, slide=20), spec(kind="session", gap=9)]
    ),
)
def test_windows_are_open_until_they_end(times: list[int], window: Any) -> None:
    harness = Harness(window)
    arrivals = [Arrival(ts) for ts in times]
    for number in range(len(arrivals)):
        harness.push([arrivals[number]], number)
    opened, before = harness.machine.open, len(harness.windows)
    harness.finish()
    assert len(harness.windows) - before == opened


def test_who_asks_meets_no_change_halfway() -> None:
    living: LiveObjects[PartitionLag] = LiveObjects()
    kept = [living.add(PartitionLag(bytes=1)) for _ in range(1000)]

    def come_and_go() -> None:
        for _ in range(5000):
            living.add(PartitionLag(bytes=0))

    threads = [Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert sum(part.bytes or 0 for part in living) == len(kept)
    assert len(list(living)) == len(kept)


def test_dead_letters_count_by_reason() -> None:
    before = {reason: value("dead_letters_total", reason=reason) for reason in REASONS}
    letters = dead_letters([(reason, "", "p", 0, b"") for reason in ("bad_time", "future", "bad_time")])
    assert gauges.dead(letters) is letters
    assert gauges.dead(dead_letters([])).num_rows == 0
    after = {reason: value("dead_letters_total", reason=reason) - before[reason] for reason in REASONS}
    assert after == dict.fromkeys(REASONS, 0) | {"bad_time": 2, "future": 1}


def test_late_events_count_by_reason() -> None:
    def late() -> list[float]:
        return [value("late_events_total", reason=reason) for reason in ("closed", "session")]

    before = late()
    window = Windows(spec(kind="session", gap=10, delay=0), 0)
    # 5 lies in [0, 10), which is over; a session of 75 would be over, too. At 119, [100, 119) is over: 112
    # lies in it, though a session of its own would be open until 122.
    for ts in (0, 100, 5, 75, 109, 119, 112):
        rows = batch([Arrival(ts)])
        gauges.windowed(rows, window.push(Stamped(rows, ()), 0))
    assert [new - old for new, old in zip(late(), before, strict=True)] == [2, 1]


def test_times_that_a_clock_showed_twice_are_counted() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
    lines = [f"2026-10-25 0{hour}:30:00 text".encode() for hour in (1, 2, 2, 3)]
    raw = raw_batch(list(enumerate(lines)), "p", now, raw_schema("text"))
    before = value("ambiguous_times_total")
    gauges.decoded(raw, decode(raw, Settings(source=Source(ts_zone="Europe/Zurich")), now=now))
    assert value("ambiguous_times_total") - before == 2


def test_a_window_knows_the_arrival_of_the_batch_that_closed_it_and_only_that() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
    raw = raw_batch([(0, b"one"), (1, b"two")], "p", now, raw_schema("text"))
    events, dead = gauges.decoded(raw, decode(raw, Settings(), now=now))
    assert len(dead) == 0
    (embedded,) = gauges.embedded([events], [batch([Arrival(0), Arrival(50)])])
    window = Windows(spec(length=10, slide=5, delay=0), 0)
    plain = gauges.unmarked(embedded)
    assert plain.schema.metadata is None
    gathers = [
        order
        for order in gauges.windowed(embedded, window.push(Stamped(plain, ()), 0)).orders
        if isinstance(order, Gather)
    ]
    assert {order.arrival for order in gathers} == {micros(now)}
    assert {order.arrival for order in window.finish().orders if isinstance(order, Gather)} == {None}


def test_latencies_are_of_event_time_and_of_arrival() -> None:
    names = ("event_latency_seconds", "arrival_latency_seconds")
    read = [f"{name}_{what}" for name in names for what in ("count", "sum")]
    before = [value(name) for name in read]
    rows = batch([Arrival(10), Arrival(20)])
    ref = WindowRef(0, 30 * SECOND, 0)
    scorer = open_scorer(Score(kind="mean"))
    for arrival in (95 * SECOND, None):
        window = WholeWindow(ref, [Rows(rows)], 2, arrival)
        gauges.scored(window, score_window(scorer, "k", window), at(0) + timedelta(seconds=100))
    after = [value(name) for name in read]
    assert [new - old for new, old in zip(after, before, strict=True)] == [4, 2 * (90 + 80), 1, 5]
