"""The table of sinks, and the errors of opening one."""

from pathlib import Path

import pytest

from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.settings import Settings
from dataflow.settings import Sink as SinkOptions
from dataflow.sink import SINKS, open_sink


@pytest.mark.parametrize(
    ("uri", "error", "says"),
    [
        ("pigeon:x", SettingsError, "sink.late=pigeon:x: no sink 'pigeon'; there are stdout, stderr, file"),
        ("stdout:?x=1", SettingsError, "no such option 'x'"),
        ("file:", SettingsError, "write file:PATH"),
        ("a_file/x.jsonl", SourceError, "a_file/x.jsonl: cannot be written"),
        (".", SourceError, ".: is a folder, not a file; name another file in sink.late"),
        ("/proc/nope/x.jsonl", SourceError, "/proc/nope/x.jsonl: cannot be written"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(uri: str, error: type[DriftlineError], says: str) -> None:
    Path("a_file").touch()
    with pytest.raises(error) as caught:
        open_sink(uri, Settings(sink=SinkOptions(late=(uri,))), stream="late")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_sink_module_is_there() -> None:
    for module in SINKS.values():
        assert __import__(module, fromlist=["open_sink"]).open_sink
