"""Errors and spans of the writes of a sink."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.processes import unmeasured
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
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sink = watched(open_sink(sys.argv[1], Settings(), stream="scores"), Watch(guard=exit_on_error(False)))
part = sink.build_part("s", sink.list_parts()[0], None)
part.write_batch([Marked(filled(SCORED, 1000))])
part.snapshot()
"""


@pytest.mark.parametrize("uri", FILE_SINKS)
def test_no_room_left_is_one_line(uri: str, tmp_path: Path) -> None:
    environment = unmeasured(os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FULL_DISK, uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    where = f"driftline: {tmp_path}/{uri}: cannot be written: File too large; free space or fix the cause"
    assert done.stderr.startswith(where)
    assert (done.stderr.count("\n"), done.returncode) == (1, 1)
