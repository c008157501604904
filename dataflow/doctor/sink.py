"""Checks whether every sink can be written, without writing to a sink."""

from functools import partial
from pathlib import Path
from typing import get_args

from dataflow import sink
from dataflow.doctor import Case, Finding, found
from dataflow.endpoints.uri import parse_uri
from dataflow.settings import Settings
from dataflow.sink import files, webhook
from dataflow.sink.paths import check_writable


def findings(case: Case) -> list[Finding]:
    """What the doctor finds about each sink."""
    return [
        found(f"sink.{stream}", partial(_sink, case.settings, stream, text))
        for stream in get_args(sink.Stream)
        for text in getattr(case.settings.sink, stream)
    ]


def _sink(settings: Settings, stream: sink.Stream, text: str) -> Finding:
    uri = parse_uri(text)
    if uri.scheme == "file":  # opening the sink would make the file
        check_writable(Path(files.output_path(settings, uri, stream)))
    elif uri.scheme in ("http", "https"):  # opening the sink would make the folder of the spool
        webhook.receiver_of(settings, uri, stream).reach()
        check_writable(Path(settings.webhook.spool) / "a spool")
        return Finding(f"sink.{stream}", "ok", f"{text} accepts connections; nothing was posted")
    else:
        sink.open_sink(text, settings, stream=stream)
    return Finding(f"sink.{stream}", "ok", f"{text} can be written")
