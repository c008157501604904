"""Replays recorded events through windows, scores and alerts: the graph of the flow, from the windows on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import run_main

from dataflow import sink as sinks
from dataflow.backtest.events import PARTITION, Events, read_events
from dataflow.backtest.recorded import Recorded
from dataflow.backtest.versions import Versions
from dataflow.embed.base import Embedded
from dataflow.errors import SettingsError
from dataflow.flow import build_replay
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.items.marks import Marked
from dataflow.reference.pinned import open_pinned
from dataflow.score.emission import OneModel
from dataflow.settings import Settings
from dataflow.sink import open_sink
from dataflow.telemetry.guard import exit_on_error
from dataflow.telemetry.watch import Watch

_FOLDERS = ("scores", "windows")


def replay(recorded: Recorded, settings: Settings, out: Path, likeness: Likeness = UNMARKED) -> int:
    """Replay all events, and write what the flow finds to files in the folder ``out``: ``alerts.jsonl``,
    ``scores.parquet``, and so on. ``likeness``: what people marked. Returns the number of events. Raises
    ``SettingsError`` or ``SourceError``.
    """
    events = read_events(recorded, settings.source.mask)
    settings = _for_replay(settings, events, out)
    embedder = _NoModel(events.models[-1], recorded.dim)
    versions = Versions(events.others, events.models)
    graph = build_replay(
        settings,
        source=_Recorded(events.rows, settings.source.batch_rows),
        one_model=OneModel(recorded.dim, versions.unify, open_pinned(settings, embedder), likeness=likeness),
        sink=lambda stream, uri: open_sink(uri, settings, stream=stream),
        last_end=events.last_end,
        restored={"scores": events.positions.restored, "dead_letters": events.positions.restored_letters},
        watch=Watch(guard=exit_on_error(settings.log.texts)),
    )
    run_main(graph)
    return len(events.rows)


def outputs(out: Path) -> dict[str, Path]:
    """Stream -> the file, or the folder of Parquet files, that a replay writes."""
    kind = {stream: "parquet" if stream in _FOLDERS else "jsonl" for stream in get_args(sinks.Stream)}
    return {stream: out / f"{stream}.{suffix}" for stream, suffix in kind.items()}


def _for_replay(settings: Settings, events: Events, out: Path) -> Settings:
    """The settings, with the output in ``out``, and without what needs a wall clock or a model.

    Events come by event time, and all at once, so no event is late and no partition is idle.
    """
    uris = {stream: (f"file:{path}",) for stream, path in outputs(out).items()}
    window = {"on_eof": "close", "idle_timeout": None}
    # The texts of references cannot be embedded by another version.
    score = {"model_change": "restart"} if len(events.models) > 1 else {}
    return settings.model_copy(
        update={
            "source": settings.source.model_copy(update={"uri": "stdin:"}),
            "sink": settings.sink.model_copy(update=uris),
            "window": settings.window.model_copy(update=window),
            "score": settings.score.model_copy(update=score),
        }
    )


class _NoModel:
    """The embedder of a backtest: it knows which version embedded the events, and embeds nothing."""

    def __init__(self, model: str, dim: int) -> None:
        self.model, self.version = model.split(" ", 1)
        self.dim = dim

    def embed(self, texts: Sequence[str]) -> Embedded:
        raise SettingsError(
            "score.pinned: a backtest has no model that could embed pinned texts; save them with "
            "`python -m dataflow.reference import`, and let score.pinned name the .parquet file"
        )

    def close(self) -> None:
        """Nothing is open."""


class _Recorded(FixedPartitionedSource[Marked, int]):
    """The events as one partition. ``batch_rows``: the most events of a batch."""

    def __init__(self, rows: pa.Table, batch_rows: int) -> None:
        self._batches = rows.to_batches(max_chunksize=batch_rows)

    def list_parts(self) -> list[str]:
        return [PARTITION]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_RecordedPart":
        return _RecordedPart(self._batches)


class _RecordedPart(StatefulSourcePartition[Marked, int]):
    def __init__(self, batches: list[pa.RecordBatch]) -> None:
        self._batches, self._next = batches, 0

    def next_batch(self) -> list[Any]:
        if self._next == len(self._batches):
            raise StopIteration
        self._next += 1
        return [Marked(self._batches[self._next - 1])]

    def snapshot(self) -> int:
        return self._next
