"""Sends: selects records, and runs the flow over them, in this process.

A send is remembered before its flow begins, and its flow has a recovery store of its own. So a send that was
killed goes on where it was, and no record is in two sends.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args
from urllib.parse import quote

import orjson
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SourceError
from dataflow.flow import open_flow
from dataflow.replay.check import Report, report_on
from dataflow.replay.rows import Letter
from dataflow.settings import BytewaxRun, Settings
from dataflow.sink import Stream
from dataflow.source.dead_letters.selection import Selection, Send
from dataflow.stop import Stop

#: The streams that a send always writes. It writes the others if the settings name a sink of them.
_ALWAYS = ("scores", "late", "dead_letters")
#: The streams and the kinds of sinks that a send can append to. Windows and drift are left out, because the
#: rows of a replay would have the identities of the rows that are there. Webhooks post what is news.
_APPENDED = ("scores", "alerts", "late", "dead_letters")
_APPENDABLE = ("delta", "kafka")
#: How often the state of a send is written.
SNAPSHOT_INTERVAL = timedelta(seconds=10)


def select(
    selection: Selection,
    batches: Iterable[Sequence[Letter]],
    settings: Settings,
    now: datetime,
    *,
    inputs: Sequence[str],
    append: bool,
    again: bool,
    prepare: bool,
) -> tuple[Send | None, Report]:
    """Make a send of all records that pass and were in no send; ``None`` if there are none.

    ``inputs``: the files of the letters. ``prepare``: somebody else runs the flow.
    """
    state = "prepared" if prepare else "running"
    with selection.change():
        number = selection.begin(state=state, append=append, inputs=inputs)
        report = report_on(
            batches, settings, now, selection, again=again, add=lambda record: selection.add(number, record)
        )
        if not report.passing:
            selection.remove(number)
            return None, report
    return Send(number, state, append, inputs), report


def unfinished(selection: Selection) -> Send | None:
    """The send whose flow was begun and has not come to its end, if there is one."""
    return next((send for send in selection.sends() if send.state == "running"), None)


def run(selection: Selection, send: Send, settings: Settings) -> list[str] | None:
    """Run the flow over a send, from its beginning or from where it was, and note that the send is done.

    Returns what became of the records, in words; ``None`` if the flow was asked to stop before the end. An
    error of the flow ends the process.
    """
    folder = folder_of(selection, send)
    settings, store, stop = of_send(settings, selection, send), folder / "recovery", Stop()
    _make_store(store)
    flow = open_flow(lambda: settings, BytewaxRun(store, ()), stop)
    recovery = RecoveryConfig(str(store), timedelta(0))
    cli_main(flow, epoch_interval=SNAPSHOT_INTERVAL, recovery_config=recovery)
    if stop.asked():
        return None
    refused = set(_positions(folder / "dead_letters.jsonl"))
    late = set(_positions(folder / "late.jsonl"))
    count = selection.count(send.number)
    selection.finish(send.number, refused)
    return [
        f"send {send.number}: {count - len(refused | late)} of {count} records were scored",
        *([f"send {send.number}: {len(refused)} are dead letters again"] if refused else []),
        *([f"send {send.number}: {len(late)} are late"] if late else []),
    ]


def folder_of(selection: Selection, send: Send) -> Path:
    """Where the output of a send is."""
    return selection.path.parent / str(send.number)


def of_send(settings: Settings, selection: Selection, send: Send) -> Settings:
    """The settings of the flow of a send: another source, and other sinks.

    All records come in the order of event time and as fast as the flow takes them. So no partition is idle,
    and the end of the input closes the windows.
    """
    folder = folder_of(selection, send)
    sinks = {stream: tuple(_sinks(settings, folder, stream, send.append)) for stream in get_args(Stream)}
    source = {"uri": source_uri(selection, send), "max_dead_letter_rate": None}
    window = {"on_eof": "close", "idle_timeout": None}
    return settings.model_copy(
        update={
            "source": settings.source.model_copy(update=source),
            "sink": settings.sink.model_copy(update=sinks),
            "window": settings.window.model_copy(update=window),
        }
    )


def source_uri(selection: Selection, send: Send) -> str:
    """The URI of the source of a send."""
    return f"dead_letters:{quote(str(selection.path.parent))}?send={send.number}"


def _sinks(settings: Settings, folder: Path, stream: Stream, append: bool) -> Iterator[str]:
    named = getattr(settings.sink, stream)
    if named or stream in _ALWAYS:
        yield f"file:{quote(str(folder))}/{stream}.jsonl"
    if append and stream in _APPENDED:
        yield from (uri for uri in named if parse_uri(uri).scheme in _APPENDABLE)


def _make_store(store: Path) -> None:
    """Make a recovery store in the folder ``store``, as a whole, if there is none."""
    if store.exists():
        return
    begun = store.with_suffix(".unfinished")
    try:
        begun.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in begun.iterdir():
            path.unlink()
        init_db_dir(begun, 1)
        begun.rename(store)
    except OSError as error:
        raise SourceError(f"{store}: cannot be made: {os.strerror(error.errno or 0)}") from None


def _positions(path: Path) -> Iterator[tuple[str, int]]:
    if path.exists():
        for line in path.read_bytes().splitlines():
            row = orjson.loads(line)
            yield row["partition"], row["offset"]
