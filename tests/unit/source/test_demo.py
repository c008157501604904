"""The demo stream is the same for everybody, however it is cut, paced or interrupted."""

import hashlib
import json
from collections import Counter
from datetime import datetime, timezone
from functools import partial

import pytest

from dataflow.decode.batch import check_format
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source import demo
from dataflow.source.demo_log import BURST_LABEL, SPACING, burst_begins, record
from dataflow.source.waiting import AT_ONCE, WAIT_S

NAMES = ("partition", "offset", "raw")


NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)


class Watch:
    """A monotonic clock, in seconds, that moves only when told to, or in a sleep."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def clock() -> datetime:
    return NOW


def paced(watch: Watch, part: str = "0", given: int | None = None) -> demo.DemoPartition:
    """A partition of a stream of 30 events a second; its own share is 10."""
    opened = demo.DemoSource(demo.Options(rate=30), SourceOptions(), clock, timer=watch, sleep=watch.sleep)
    return opened.build_part("source", part, given)


def source(text: str, **settings: int) -> demo.DemoSource:
    return demo.open_source(
        Settings(source=SourceOptions.model_validate({"uri": text, **settings})),
        parse_uri(text),
        clock,
        lambda *_: None,
    )


def rows(part: demo.DemoPartition, batches: int | None = None) -> list[tuple[str, int, bytes]]:
    taken: list[tuple[str, int, bytes]] = []
    while batches is None or batches > 0:
        try:
            for batch in part.next_batch():
                taken += zip(*(batch.column(name).to_pylist() for name in NAMES), strict=True)
        except StopIteration:
            break
        batches = None if batches is None else batches - 1
    return taken


def everything(opened: demo.DemoSource) -> list[tuple[str, int, bytes]]:
    return [row for name in opened.list_parts() for row in rows(opened.build_part("source", name, None))]


def test_it_is_the_same_stream_on_every_python_and_platform() -> None:
    lines = sorted(raw for _, _, raw in everything(source("demo:")))
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()
    assert digest == "a6751edb482e4670fd39715fd5f42a29a9ff2fe1fbc498ff27fa0dc54ce4fa66", lines[:3]


def test_batches_are_raw_jsonl_with_an_identity() -> None:
    (batch,) = source("demo:", batch_rows=1).build_part("source", "1", None).next_batch()
    assert batch.schema.equals(demo.SCHEMA, check_metadata=True)
    assert batch.schema.metadata == {b"format": b"jsonl"}
    assert batch.column("arrival").to_pylist() == [NOW]
    assert json.loads(batch.column("raw")[0].as_py()).keys() == {
        "id", "ts", "text", "service", "label", "drift",
    }  # fmt: skip


def test_each_event_comes_once_and_offsets_count_up() -> None:
    taken = everything(source("demo:?events=1000"))
    assert Counter(json.loads(raw)["id"] for *_, raw in taken) == Counter(
        f"pay-{index:06d}" for index in range(1000)
    )
    assert [offset for name, offset, _ in taken if name == "2"] == list(range(333))


def test_how_it_is_cut_changes_nothing() -> None:
    whole = everything(source("demo:?events=500"))
    assert everything(source("demo:?events=500", batch_rows=7)) == whole
    assert everything(source("demo:?events=500", batch_bytes=1000)) == whole


def test_a_batch_is_bounded_in_bytes() -> None:
    part = source("demo:", batch_bytes=1000).build_part("source", "1", None)
    assert 500 < sum(len(raw) for *_, raw in rows(part, 1)) <= 1000


@pytest.mark.parametrize("batches", [0, 1, 2, 5])
def test_it_resumes_where_it_was(batches: int) -> None:
    opened = source("demo:?events=700")
    whole = rows(opened.build_part("source", "0", None))
    before = opened.build_part("source", "0", None)
    taken = rows(before, batches)
    after = opened.build_part("source", "0", before.snapshot())
    assert taken + rows(after) == whole


def test_it_resumes_in_the_middle_of_a_burst() -> None:
    opened = source("demo:", batch_rows=1)
    plan = opened.plan
    begins = burst_begins(plan, plan.start) - plan.start
    first = int(begins / SPACING) // demo.PARTITIONS
    before = opened.build_part("source", "1", first)
    labels = [json.loads(raw)["label"] for *_, raw in rows(before, 20)]
    assert 0 < labels.count(BURST_LABEL) < 20
    part = opened.build_part("source", "1", before.snapshot())
    after = [(offset, json.loads(raw)) for _, offset, raw in rows(part, 20)]
    assert [offset for offset, _ in after] == list(range(first + 20, first + 40))
    assert [event for _, event in after] == [
        record(plan, 1 + offset * demo.PARTITIONS) for offset, _ in after
    ]
    assert BURST_LABEL in {event["label"] for _, event in after}


def test_rate_is_kept_by_the_monotonic_clock() -> None:
    watch = Watch()
    part = paced(watch)
    assert len(rows(part, 1)) == 1
    assert rows(part, 1) == []
    watch.now += 2
    assert len(rows(part, 1)) == 20
    assert rows(part, 1) == []


def test_between_two_events_it_waits_and_is_called_again_at_once() -> None:
    watch = Watch()
    part = paced(watch)
    rows(part, 1)
    for _ in range(5):
        rows(part, 1)
        assert part.next_awake() == AT_ONCE
    assert watch.now == pytest.approx(1000 + 4 * WAIT_S)


def test_a_resumed_rate_does_not_catch_up() -> None:
    assert len(rows(paced(Watch(), given=400), 1)) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("demo:?speed=2", "no such option 'speed'"),
        ("demo:?rate=fast", "rate=fast: "),
        ("demo:?rate=0", "rate=0: "),
        ("demo:?events=-1", "events=-1: "),
        ("demo:?start=2026-01-01", "start=2026-01-01: "),
        ("demo:?seed=", "seed=: "),
    ],
)
def test_a_mistake_is_one_line(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=r"^demo:") as raised:
        source(text)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_it_ends() -> None:
    part = source("demo:?events=2").build_part("source", "1", 1)
    with pytest.raises(StopIteration):
        part.next_batch()


def test_settings_that_fit_no_record_fail_at_the_start() -> None:
    settings = Settings(source=SourceOptions(ts_format="iso"))
    with pytest.raises(SettingsError, match=r"source\.ts_format='iso'"):
        demo.open_source(settings, parse_uri("demo:"), lambda: NOW, partial(check_format, settings))
