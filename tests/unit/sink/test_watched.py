"""Errors and spans of the writes of a sink."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sink.watched import joined
from tests.support.paths import ROOT
from tests.support.sinks import FILE_SINKS

FULL_DISK = """
import resource, signal, sys
from dataflow.items.schemas import SCORED
from dataflow.settings import Settings
from dataflow.sink import open_sink
from dataflow.items.marks import Marked
from dataflow.sink.watched import watched
from dataflow.telemetry import logs
from dataflow.telemetry.guard import exit_on_error
from dataflow.telemetry.watch import Watch
from tests.support.batches import filled
logs.start(Settings().log)
sys.dont_write_bytecode = True  # Python would leave a part of it where other tests read it
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sink = watched(open_sink(sys.argv[1], Settings(), stream="scores"), Watch(guard=exit_on_error(False)))
part = sink.build_part("s", sink.list_parts()[0], None)
part.write_batch([Marked(filled(SCORED, 1000))])
part.snapshot()
"""


@pytest.mark.parametrize("uri", FILE_SINKS)
def test_no_room_left_is_one_line(uri: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FULL_DISK, uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    where = f"driftline: {tmp_path}/{uri}: cannot be written: File too large; free space or fix the cause"
    assert done.stderr.startswith(where)
    assert (done.stderr.count("\n"), done.returncode) == (1, 1)


#: The names of columns, and how many rows.
shapes = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=12)


@given(shapes, st.integers(0, 200))
def test_joined_batches_have_all_rows_in_order_and_few_bytes(
    shapes: list[tuple[str, int]], limit: int
) -> None:
    batches = [
        pa.record_batch({name: [f"{number} {row}" for row in range(rows)]})
        for number, (name, rows) in enumerate(shapes)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataflow.sink.watched.JOINED_BYTES", limit)
        found = list(joined(batches))
    assert [row for one in found for row in one.to_pylist()] == [
        row for one in batches for row in one.to_pylist()
    ]
    allowed = max([limit, *(one.get_total_buffer_size() for one in batches)])
    assert all(one.nbytes <= allowed for one in found)


def test_small_batches_become_one() -> None:
    small = pa.record_batch({"id": ["a", "b"]})
    assert [len(one) for one in joined([small] * 1000)] == [2000]
