"""Follows the outputs: a thread for each one reads what is new into the store."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from dashboard.readers.block import Block, OtherRowsError, Reader
from dashboard.readers.find import Named, Output, outputs
from dashboard.store.store import Store
from dashboard.streams import FORMATS, Stream
from dataflow.clock import micros, utc_now
from dataflow.errors import DriftlineError

SourceState = Literal["loading", "live", "lagging", "empty", "broken", "too old"]
#: How long to wait for new rows, and how long to wait after an error, in seconds.
_POLL_S, _RETRY_S = 0.3, 2.0
#: While rows wait, requests see the new ones so often.
_PUBLISH_S = 0.5
_LOADING = "The rows are being read."
_BEHIND = "The page is behind: rows come faster than it reads them."
_EMPTY = "There are no rows yet; the page shows them when they come."
#: Stream -> the time of a row.
_TIME: dict[Stream, str] = {
    "alerts": "decided",
    "drift": "window_end",
    "windows": "window_end",
    "late": "ts",
    "dead_letters": "arrival",
}


@dataclass
class Source:
    """How it stands with an output. ``newest``: the newest time of its rows; ``read``: when it was read the
    last time; both in microseconds since the Unix epoch. ``broken``: rows that could not be read.
    """

    uri: str
    stream: Stream | None
    state: SourceState = "loading"
    message: str = _LOADING
    rows: int = 0
    newest: int | None = None
    read: int | None = None
    broken: int = 0
    why: str | None = None
    caught_up: bool = False
    is_hidden: bool = False

    def described(self) -> dict[str, Any]:
        """As the page gets it."""
        shown = ("stream", "uri", "state", "message", "rows", "newest", "read", "broken")
        return {name: getattr(self, name) for name in shown}


class Sources:
    """All outputs. :meth:`start` starts their threads, :meth:`stop` ends them."""

    def __init__(self, store: Store, named: Sequence[Named], most: int) -> None:
        self._store, self._named, self._most = store, named, most
        self._stop = Event()
        self._lock = Lock()
        self._threads: list[Thread] = []
        self._known: dict[str, Source] = {}

    @property
    def text(self) -> str:
        """The URIs of the command line."""
        return " ".join(str(each.uri) for each in self._named)

    @property
    def all(self) -> list[Source]:
        """The sources in the order in which they were found."""
        with self._lock:
            return [source for source in self._known.values() if not source.is_hidden]

    @property
    def loaded(self) -> bool:
        """Whether each source was read to its end once, or is broken."""
        return all(source.caught_up or source.state in ("broken", "too old") for source in self.all)

    def start(self) -> None:
        """Follow all outputs that are there, and look for new ones."""
        self._look()
        self._threads.append(Thread(target=self._look_again, daemon=True, name="outputs"))
        self._threads[-1].start()

    def stop(self) -> None:
        """End the threads."""
        self._stop.set()
        for thread in list(self._threads):
            thread.join(timeout=5)

    def _look_again(self) -> None:
        while not self._stop.wait(_RETRY_S):
            self._look()

    def _look(self) -> None:
        for where in self._named:
            try:
                found = outputs(where, self._most)
            except (DriftlineError, OSError):
                continue
            for output in found:
                self._follow(output)

    def _follow(self, output: Output) -> None:
        with self._lock:
            if output.uri in self._known:
                return
            source = self._known[output.uri] = Source(output.uri, output.stream)
            number = len(self._known) - 1
        follower = _Follower(self._store, source, number, self._stop)
        thread = Thread(target=follower.run, args=(output,), daemon=True, name=output.uri)
        self._threads.append(thread)
        thread.start()


class _Follower:
    """Reads one output until ``stop`` is set."""

    def __init__(self, store: Store, source: Source, number: int, stop: Event) -> None:
        self._store, self._source, self._number, self._stop = store, source, number, stop
        self._published = monotonic()

    def run(self, output: Output) -> None:
        reader: Reader | None = None
        while not self._stop.is_set():
            try:
                reader = reader or output.open()
                block = reader.read()
                self._source.stream = reader.stream
            except OtherRowsError as error:
                self._source.is_hidden = not output.asked
                self._fail(output, error)
                self._stop.wait(_RETRY_S)
                continue
            except IsADirectoryError:
                # A folder has come where nothing was; its outputs are found one by one.
                self._source.is_hidden = True
                return
            except (DriftlineError, OSError) as error:
                self._fail(output, error)
                self._stop.wait(_RETRY_S)
                continue
            if block is not None:
                self._take(block)
            self._tell(block)
            if block is None or not block.behind:
                self._store.publish()
                self._stop.wait(_POLL_S)
            elif monotonic() - self._published > _PUBLISH_S:
                self._store.publish()
                self._published = monotonic()
        if reader is not None:
            reader.close()

    def _take(self, block: Block) -> None:
        source = self._source
        if block.anew:
            self._store.forget(block.stream, self._number)
            source.rows = source.broken = 0
            source.newest = source.why = None
            source.state = "loading"
        if len(block):
            self._store.add(block.stream, self._number, block.rows)
            source.rows += len(block)
            newest = _newest(block)
            if newest is not None:
                source.newest = max(newest, source.newest or newest)
        source.broken += block.broken
        source.why = block.why or source.why
        if block.old is not None:
            source.state = "too old"
            source.message = _too_old(source, block)

    def _tell(self, block: Block | None) -> None:
        source = self._source
        source.read, source.is_hidden = micros(utc_now()), False
        if source.state == "too old":
            return
        if block is not None and block.behind:
            source.state = "lagging" if source.caught_up else "loading"
            source.message = _BEHIND if source.caught_up else _LOADING
        else:
            source.caught_up = True
            source.state = "live" if source.rows else "empty"
            source.message = "" if source.rows else _EMPTY
        if source.broken:
            source.message = f"{source.broken} rows are left out: {source.why}. {source.message}".strip()

    def _fail(self, output: Output, error: Exception) -> None:
        if isinstance(error, OSError):
            what = os.strerror(error.errno) if error.errno else str(error)
            text = f"{output.uri}: {what}; start the flow that writes it, or correct the path"
        else:
            text = str(error)
        self._source.state, self._source.message = "broken", f"{text}. The page tries again."


def _too_old(source: Source, block: Block) -> str:
    known = FORMATS[block.stream][0]
    return (
        f"{source.uri} has rows of version {block.old}, and this page reads version {known}; "
        "use the versions of flow and page that belong together, or let the flow write a new output."
    )


def _newest(block: Block) -> int | None:
    if isinstance(block.rows, pa.RecordBatch):
        return int(np.max(block.rows.column("ts").view(pa.int64()).to_numpy()))
    times = [row[_TIME[block.stream]] for row in block.rows]
    return max((time for time in times if time is not None), default=None)
