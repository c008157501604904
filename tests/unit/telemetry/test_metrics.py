"""Metrics are what docs/reference/metrics.md says, and show what state holds, also after a restart."""

import math
import re
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dataflow.items.schemas import REASONS, dead_letters
from dataflow.source.lag import PartitionLag
from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects
from dataflow.telemetry.watch import UNWATCHED
from dataflow.window import gauges
from dataflow.window.logics import Common, KeepLogic, Loading, WindowLogic
from dataflow.window.messages import Gather
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
    """The window logic of a key and the logics of its chunks, as Bytewax runs them."""

    def __init__(self, window: Any, state: tuple[Any, dict[int, Any]] | None = None) -> None:
        mine, chunks = state or (None, {})
        self._common = Common(window, lambda: at(0), UNWATCHED, (), Loading(lambda: at(0)))
        self._logic = WindowLogic(self._common, mine)
        self._chunks = {chunk: KeepLogic(self._common, kept) for chunk, kept in chunks.items()}

    def push(self, rows: pa.RecordBatch) -> None:
        outputs, _ = self._logic.on_batch([Stamped(rows, ())])
        for order in (order for output in outputs for order in output.orders):
            if not isinstance(order, Gather):
                chunk = self._chunks.setdefault(order.chunk, KeepLogic(self._common, None))
                if chunk.on_batch([order])[1]:
                    del self._chunks[order.chunk], chunk

    def snapshot(self) -> tuple[Any, dict[int, Any]]:
        return self._logic.snapshot(), {chunk: k.snapshot() for chunk, k in self._chunks.items()}


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
    gauges.show()
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
    UNWATCHED.dead_letters(letters)
    UNWATCHED.dead_letters(dead_letters([]))
    after = {reason: value("dead_letters_total", reason=reason) - before[reason] for reason in REASONS}
    assert after == dict.fromkeys(REASONS, 0) | {"bad_time": 2, "future": 1}


def test_late_events_count_by_reason() -> None:
    def late() -> list[float]:
        return [value("late_events_total", reason=reason) for reason in ("closed", "session")]

    before = late()
    key = Key(spec(kind="session", gap=10, delay=0))
    # 5 lies in [0, 10), which is over; a session of 75 would be over, too. At 119, [100, 119) is over: 112
    # lies in it, though a session of its own would be open until 122.
    for ts in (0, 100, 5, 75, 109, 119, 112):
        key.push(batch([Arrival(ts)]))
    assert [new - old for new, old in zip(late(), before, strict=True)] == [2, 1]
