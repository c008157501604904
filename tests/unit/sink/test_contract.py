"""What every sink must do. A new sink in ``SINKS`` needs one line in ``EXAMPLES``."""

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import get_args

import pytest

from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings
from dataflow.sink import SINKS, Stream, open_sink
from tests.support.sink_examples import EXAMPLES, Make, Written
from tests.support.stream_rows import SCHEMAS, batch, parsed


def test_every_sink_and_every_stream_has_an_example() -> None:
    assert set(EXAMPLES) == set(SINKS)
    assert set(SCHEMAS) == set(get_args(Stream))


each_example = pytest.mark.parametrize("make", [make for makes in EXAMPLES.values() for make in makes])


@each_example
@pytest.mark.parametrize("stream", list(SCHEMAS))
def test_every_row_of_every_stream_is_written_in_order(make: Make, stream: Stream, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        if stream not in example.streams:
            with pytest.raises(SettingsError, match=f"sink.{stream}="):
                open_sink(example.uri, Settings(), stream=stream)
            return
        numbers = [(1, 2), (3,), (4, 5, 6)]
        batches = [batch(stream, *each, field=example.field) for each in numbers]
        batches[-1] = batches[-1].slice(1)
        sink = Written(example.uri, stream)
        sink.write(*batches)
        sink.snapshot()
        assert example.rows() == parsed(*batches)
        sink.close()


@each_example
def test_an_empty_batch_writes_nothing(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        stream = example.streams[0]
        sink = Written(example.uri, stream)
        sink.write(batch(stream, 1).slice(1))
        sink.snapshot()
        assert example.rows() == []
        sink.close()


@each_example
def test_rows_before_a_snapshot_survive_a_crash_and_rows_after_it_come_again(
    make: Make, tmp_path: Path
) -> None:
    with make(tmp_path) as example:
        stream = example.streams[0]
        kept, lost, later = (batch(stream, *each, field=example.field) for each in [(1, 2), (3,), (4,)])
        sink = Written(example.uri, stream)
        sink.write(kept)
        state = sink.snapshot()
        sink.write(lost)
        example.kill(sink._part)
        resumed = Written(example.uri, stream, state)
        resumed.write(lost, later)
        resumed.snapshot()
        written = example.rows()
        assert [row for row in written if row in parsed(kept)] == parsed(kept)  # written once
        assert written[-2:] == parsed(lost, later)
        resumed.close()
        with suppress(SourceError):  # the sink that was killed may no longer write
            sink.close()


@each_example
def test_an_option_that_the_sink_does_not_know_is_refused_in_one_line(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        with pytest.raises(SettingsError, match="pigeon") as caught:
            open_sink(f"{example.uri}{example.option}pigeon=1", Settings(), stream=example.streams[0])
        assert "\n" not in str(caught.value)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond 100 bytes within the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = bytecode


@each_example
def test_a_full_disk_is_one_line_and_no_row_is_lost(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        if not example.local:
            return
        stream = example.streams[0]
        kept, later = (batch(stream, *each, field=example.field) for each in [(1, 2), (3, 4, 5)])
        sink = Written(example.uri, stream)
        sink.write(kept)
        state = sink.snapshot()
        with full_disk(), pytest.raises(SourceError) as caught:  # noqa: PT012  (a sink may write at either)
            sink.write(later)
            sink.snapshot()
        assert "\n" not in str(caught.value)
        example.kill(sink._part)
        with suppress(SourceError):
            sink.close()
        resumed = Written(example.uri, stream, state)
        resumed.write(later)
        resumed.snapshot()
        assert example.rows() == parsed(kept, later)
        resumed.close()


@each_example
def test_a_target_that_cannot_be_written_is_one_line(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        if example.bad is None:
            return
        stream = example.streams[0]
        uri, beginning = example.bad
        with pytest.raises((SettingsError, SourceError), match=f"^{re.escape(beginning)}") as caught:
            open_sink(uri, Settings(), stream=stream)
        assert "\n" not in str(caught.value)
