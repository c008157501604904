"""An outage of whatever the flow depends on ends the flow. It never makes a dead letter."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bytewax.inputs import StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.errors import OutageError, SourceError, UnreachableError
from dataflow.flow import build
from dataflow.settings import Settings, Sink, Window
from dataflow.settings import Source as SourceSettings
from dataflow.source import open_source
from tests.support.flows import START

EVENTS = 200
ERRORS = [
    OutageError("no answer"),
    UnreachableError("no answer"),
    SourceError("gone"),
    ConnectionError("reset"),
]


#: The errors that were raised in a test.
raised: list[Exception] = []


def fail(error: Exception) -> None:
    raised.append(error)
    raise error


class Embedder(NullEmbedder):
    """Answers until a call; then it fails, or has a new version, with which it fails at the next call."""

    def __init__(self, error: Exception, calls: int, *, renews: bool = False) -> None:
        super().__init__(4)
        self._error, self._calls, self._renews = error, calls, renews

    def embed(self, texts: Sequence[str]) -> Embedded:
        self._calls -= 1
        if self._calls < 0:
            fail(self._error)
        if self._renews and self._calls == 0:
            self.version = "2"
        embedded = super().embed(texts)
        return Embedded(embedded.vectors, self.version, embedded.failed)


class Rows(DynamicSink[Any]):
    """Keeps rows; fails at the first one if there is an ``error``."""

    def __init__(self, rows: list[Any], error: Exception | None = None) -> None:
        self._rows, self._error = rows, error

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Rows":
        return _Rows(self._rows, self._error)


class _Rows(StatelessSinkPartition[Any]):
    def __init__(self, rows: list[Any], error: Exception | None) -> None:
        self._rows, self._error = rows, error

    def write_batch(self, items: list[Any]) -> None:
        if self._error:
            fail(self._error)
        self._rows += [row for _, batch in items for row in batch.to_pylist()]


class FailingPart(StatefulSourcePartition[Any, Any]):
    """A partition that fails after its first batch."""

    def __init__(self, inner: Any, error: Exception) -> None:
        self._inner, self._error, self._read = inner, error, False

    def next_batch(self) -> Any:
        if self._read:
            fail(self._error)
        self._read = True
        return self._inner.next_batch()

    def snapshot(self) -> Any:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()


def lines(folder: Path) -> str:
    rows = [{"ts": (START + timedelta(seconds=n)).isoformat(), "text": f"t{n}"} for n in range(EVENTS)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"file:{folder}/a.jsonl"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("what", ["nothing", "source", "model", "model of a window", "sink"])
def test_no_outage_makes_a_dead_letter(tmp_path: Path, what: str, error: Exception) -> None:
    raised.clear()
    settings = Settings(
        source=SourceSettings(uri=lines(tmp_path), batch_rows=20),
        window=Window(length=timedelta(seconds=60), slide=timedelta(seconds=30), delay=timedelta(0)),
        sink=Sink(scores=("stdout:",), late=("stderr:",), dead_letters=("stderr:",)),
    )
    found: dict[str, list[Any]] = {"scores": [], "late": [], "dead_letters": []}
    source: Any = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
    if what == "source":
        build_part = source.build_part
        source.build_part = lambda *arguments: FailingPart(build_part(*arguments), error)
    calls = {"model": 3, "model of a window": 2}.get(what, 1000)
    flow = build(
        settings,
        source=source,
        embedder=Embedder(error, calls, renews=what == "model of a window"),
        sink=lambda stream, _: Rows(found[stream], error if (what, stream) == ("sink", "scores") else None),
    )
    with suppress(BaseException):  # Bytewax's panics are no Exception
        run_main(flow)
    assert bool(raised) == (what != "nothing")
    assert what != "nothing" or len(found["scores"]) == 2 * EVENTS
    assert found["dead_letters"] == found["late"] == []
