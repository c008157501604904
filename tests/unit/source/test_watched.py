"""A watched source: the partitions of the source, with lines on the log, and an end on request."""

import logging
from pathlib import Path
from typing import Any

import pytest
from bytewax.inputs import FixedPartitionedSource

from dataflow.source.watched import WatchedSource
from dataflow.telemetry.guard import unguarded
from tests.support.sources import opened, rows


class Flow:
    """The flow around a source: may ask the source to stop, and counts its polls."""

    def __init__(self) -> None:
        self.stopping, self.polls = False, 0

    def polled(self) -> None:
        self.polls += 1

    def source(self, uri: str, guard: Any = unguarded) -> WatchedSource:
        return WatchedSource(opened(uri, batch_rows=1), guard, lambda: self.stopping, self.polled)


@pytest.fixture(autouse=True)
def _log_file(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"a\nb\nc\n")
    (tmp_path / "empty.log").touch()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_partitions_and_states_are_those_of_the_source(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dataflow")
    flow = Flow()
    source = flow.source("*.log")
    assert source.list_parts() == ["a.log", "empty.log"]
    assert source.partitions_with_data() == ["a.log"]
    part: Any = source.build_part("s", "a.log", None)
    assert rows(part, 1) == [(0, b"a")]
    resumed: Any = source.build_part("s", "a.log", part.snapshot())
    assert rows(resumed) == [(2, b"b"), (4, b"c")]
    assert flow.polls == 1 + 3
    assert lines(caplog) == ["a.log: opened at 0", "a.log: resumed at 2", "a.log: ends at 6"]
    part.close()
    resumed.close()


def test_a_partition_ends_where_it_is_when_the_flow_stops(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dataflow")
    flow = Flow()
    part: Any = flow.source("a.log").build_part("s", "a.log", None)
    assert rows(part, 1) == [(0, b"a")]
    flow.stopping = True
    with pytest.raises(StopIteration):
        part.next_batch()
    assert part.snapshot() == 2
    assert lines(caplog)[-1] == "a.log: stops reading at 2"
    part.close()


def test_the_guard_stands_around_each_use_of_the_source() -> None:
    guarded: list[str] = []

    def guard(step: Any) -> Any:
        def wrapped(*arguments: Any) -> Any:
            guarded.append(step.__name__)
            return step(*arguments)

        return wrapped

    part: Any = Flow().source("a.log", guard).build_part("s", "a.log", None)
    part.next_batch()
    assert guarded == ["build_part", "next_batch"]
    part.close()


def test_the_log_shows_the_offset_of_a_partition_whose_state_is_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "dataflow")
    source = Flow().source("tail:a.log?follow=false")
    part: Any = source.build_part("s", "a.log", None)
    assert rows(part, 1) == [(0, b"a")]
    resumed: Any = source.build_part("s", "a.log", part.snapshot())
    assert rows(resumed) == [(2, b"b"), (4, b"c")]
    assert lines(caplog) == ["a.log: opened at 0", "a.log: resumed at 2", "a.log: ends at 6"]
    part.close()
    resumed.close()


class Growing(FixedPartitionedSource[Any, Any]):
    """A source that may get more partitions."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def list_parts(self) -> list[str]:
        return []

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> Any: ...

    def resume(self, known: Any) -> None:
        self.told.append(known)

    def watch_partitions(self, added: Any) -> None:
        self.told.append(added)


def test_a_source_that_may_grow_learns_what_the_store_knows() -> None:
    inner = Growing()
    source = WatchedSource(inner, unguarded, lambda: False)
    source.resume({"a"})
    source.watch_partitions(print)
    assert inner.told == [{"a"}, print]
    fixed = WatchedSource(opened("*.log"), unguarded, lambda: False)
    fixed.resume({"a"})
    fixed.watch_partitions(print)
