"""What may exist at the path of a file sink."""

import errno
import os
import re
from pathlib import Path

import pytest

from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SourceError
from dataflow.settings import Settings
from dataflow.sink import open_sink
from dataflow.sink.paths import real_path, write_errors
from tests.support.sinks import FILE_SINKS


@pytest.mark.parametrize("uri", FILE_SINKS)
def test_another_thing_in_the_place_of_a_file_is_refused_at_once(uri: str) -> None:
    os.mkfifo(uri)
    with pytest.raises(SourceError, match=rf"^{re.escape(uri)}: is a FIFO, not a f"):
        open_sink(uri, Settings(), stream="scores")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("/dev/stdout", "/dev/stdout: is not a file; write sink.scores=stdout:"),
        ("/dev/fd/2", "/dev/fd/2: is not a file; write sink.scores=stderr:"),
        ("/dev/full", "/dev/full: is a device, not a file"),
    ],
)
def test_a_device_is_no_file(uri: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        open_sink(uri, Settings(), stream="scores")


def test_a_folder_of_parquet_keeps_its_suffix() -> None:
    Path("real.parquet").mkdir()
    Path("other").mkdir()
    os.symlink("real.parquet", "a.parquet")
    os.symlink("other", "b.parquet")
    os.symlink("c", "d.jsonl")
    here = os.path.realpath(".")
    links = ("a.parquet", "b.parquet", "d.jsonl")
    assert [real_path(parse_uri(link)) for link in links] == [
        f"{here}/real.parquet", f"{here}/b.parquet", f"{here}/c"
    ]  # fmt: skip


def test_an_error_of_the_operating_system_is_one_line() -> None:
    says = r"^a: cannot be written: No space left on device; free space or fix the cause, and start again$"
    with pytest.raises(SourceError, match=says), write_errors("a"):
        raise OSError(errno.ENOSPC, "full")
