"""The score step: whole windows in; scores, a summary of each window, and dead letters out."""

from dataclasses import dataclass
from typing import Callable  # noqa: UP035  on CPython 3.10, Bytewax takes the other Callable for a class

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from dataflow.clock import Clock, micros
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times, of_strings
from dataflow.items.schemas import SAMPLE_SHARE, embedding_field
from dataflow.items.windows import ScoredWindow, WholeWindow
from dataflow.score.scorers import Scorer
from dataflow.score.window import score_window
from dataflow.settings import Settings
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch


@dataclass(frozen=True)
class OneModel:
    """Makes the embeddings of a window comparable: all from one version of one model.

    ``unify(rows)`` returns the rows, embedded by one version, and a ``DEAD_LETTER`` batch of the rows that
    this version refuses. ``dim``: the dimension of its embeddings.
    """

    dim: int
    unify: Callable[[pa.RecordBatch], tuple[pa.RecordBatch, pa.RecordBatch]]


@dataclass(frozen=True)
class ScoreOut:
    """``scores``: schema ``SCORED``. ``windows``: schema ``WINDOW_SUMMARY``. ``dead_letters``: schema
    ``DEAD_LETTER``.
    """

    scores: KeyedStream[Marked]
    windows: KeyedStream[Marked]
    dead_letters: KeyedStream[Marked]


@dataclass(frozen=True)
class _Scored:
    scores: list[Marked]
    windows: list[Marked]
    dead_letters: list[Marked]


@operator
def score(
    step_id: str,
    up: KeyedStream[WholeWindow],
    scorer: Scorer,
    settings: Settings,
    one_model: OneModel,
    clock: Clock,
    watch: Watch,
) -> ScoreOut:
    """Score each window. ``clock`` measures how old the events of a window are by then."""
    extra = [SAMPLE_SHARE] if settings.window.max_window_rows else []
    if settings.sink.embeddings:
        extra.append(embedding_field(one_model.dim))
    work = _Work(scorer, settings.score.kind, one_model, extra, clock, watch)
    scored = op.map("windows", up, watch.guard(work.score))
    letters = op.flat_map("dead_letters", scored, lambda item: item[1].dead_letters)
    return ScoreOut(
        op.flat_map_value("scores", scored, lambda item: item.scores),
        op.flat_map_value("summaries", scored, lambda item: item.windows),
        op.key_on("keyed", letters, lambda _: "dead_letters"),
    )


@dataclass(frozen=True)
class _Work:
    scorer: Scorer
    kind: str
    one_model: OneModel
    extra: list[pa.Field]
    clock: Clock
    watch: Watch

    def score(self, item: tuple[str, WholeWindow]) -> tuple[str, _Scored]:
        """Gather, unify and score one window, so that only one window at a time is copied."""
        key, window = item
        rows, tracer = window.gather(), self.watch.tracer
        with tracer.window(rows, *window.ref):
            rows, refused = self.one_model.unify(rows)
            self.watch.dead_letters(refused)
            mark = Marked(rows, trace=tracer.mark())
            letters = [mark.with_rows(refused)] if len(refused) else []
            if not len(rows):
                return key, _Scored([], [], letters)
        with tracer.span("score", [mark], scorer=self.kind):
            result = score_window(self.scorer, key, window, rows, self.extra)
            self._observe(key, window, result)
            mark = Marked(rows, trace=tracer.mark())
            scores = [mark.with_rows(part) for part in of_strings(result.rows)]
            return key, _Scored(scores, [mark.with_rows(result.summary)], letters)

    def _observe(self, key: str, window: WholeWindow, result: ScoredWindow) -> None:
        rows, now_us = result.rows, micros(self.clock())
        metrics.SCORED_ROWS.inc(len(rows))
        (metrics.WINDOW_REVISIONS if window.ref.revision else metrics.WINDOWS_CLOSED).inc()
        metrics.SCORES.observe(rows.column("score").to_numpy())
        metrics.EVENT_LATENCY.observe((now_us - event_times(rows)) / 1e6)
        if window.arrival_us is not None:
            metrics.ARRIVAL_LATENCY.observe((now_us - window.arrival_us) / 1e6)
        self.watch.digest.window(key, window.ref.start, window.ref.end, len(rows))
