"""The score step: takes whole windows, gives scores, a summary of each window, and dead letters."""

from dataclasses import dataclass
from functools import partial
from typing import Callable  # noqa: UP035  on CPython 3.10, Bytewax takes collections.abc.Callable for a class

import bytewax.operators as op
import numpy as np
import pyarrow as pa
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from dataflow.clock import Clock, micros
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times, of_strings
from dataflow.items.schemas import EVIDENCE, EXPLANATION, SAMPLE_SHARE, embedding_field
from dataflow.items.windows import ScoredWindows, WholeWindows
from dataflow.score.evidence.candidates import QUARANTINE_STEPS, make_candidates, no_candidates, step
from dataflow.score.evidence.messages import Candidates, Order, Placed, Recalled
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.logics import CompareLogic, SampleLogic, ShelfLogic
from dataflow.score.scorers import Scorer
from dataflow.score.window import score_windows, with_seen
from dataflow.settings import Settings
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch


@dataclass(frozen=True)
class OneModel:
    """Makes the embeddings of windows comparable: all come from one version of one model."""

    #: The number of dimensions of the embeddings.
    dim: int
    #: Takes rows in (``key``, ``ts``, ``id``) order. Returns the rows in this order, embedded by one version,
    #: and a ``DEAD_LETTER`` batch of the rows that this version refuses.
    unify: Callable[[pa.RecordBatch], tuple[pa.RecordBatch, pa.RecordBatch]]
    #: Known-good events, which the model embeds, too; ``None``: ``score.pinned`` is not set.
    pinned: Pinned | None = None


@dataclass(frozen=True)
class ScoreOut:
    """The streams out of the score step."""

    #: A row for each event and window, schema ``SCORED``.
    scores: KeyedStream[Marked]
    #: A row for each window, schema ``WINDOW_SUMMARY``.
    windows: KeyedStream[Marked]
    #: The events that could not be embedded again, schema ``DEAD_LETTER``.
    dead_letters: KeyedStream[Marked]


@dataclass(frozen=True)
class _Scored:
    scores: list[Marked]
    candidates: list[Candidates]
    windows: list[Marked]
    dead_letters: list[Marked]


@operator
def score(
    step_id: str,
    up: KeyedStream[WholeWindows],
    scorer: Scorer,
    settings: Settings,
    one_model: OneModel,
    clock: Clock,
    watch: Watch,
) -> ScoreOut:
    """Score windows. The windows of an item are scored together, and each key by itself.

    ``clock`` is used to measure how old the events of a window are when they are scored.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> from dataflow.clock import utc_now
    >>> from dataflow.items.rows import Rows
    >>> from dataflow.items.schemas import dead_letters, embedded_schema
    >>> from dataflow.items.windows import KeyWindow, WindowRef
    >>> from dataflow.score.scorers import open_scorer
    >>> from dataflow.telemetry.watch import UNWATCHED
    >>> event = {"key": "all", "text": "a text", "partition": "p", "offset": 0, "attributes": "{}"}
    >>> event |= {"model": "m", "model_version": "1"}
    >>> one = event | {"id": "p:0", "ts": 0, "embedding": [0, 1]}
    >>> two = event | {"id": "p:1", "ts": 1, "embedding": [1, 0]}
    >>> rows = pa.RecordBatch.from_pylist([one, two], schema=embedded_schema(2))
    >>> minute = KeyWindow(WindowRef(start=0, end=60_000_000, revision=0))
    >>> settings, one_model = Settings(), OneModel(2, lambda rows: (rows, dead_letters([])))
    >>> scorer = open_scorer(settings.score.model_copy(update={"kind": "mean"}))
    >>> flow, found = Dataflow("example"), []
    >>> up = op.input("windows", flow, TestingSource([("all", WholeWindows(minute, [Rows(rows)]))]))
    >>> out = score("score", up, scorer, settings, one_model, utc_now, UNWATCHED)
    >>> op.output("out", out.scores, TestingSink(found))
    >>> run_main(flow)
    >>> [(key, batch.rows.column("score").to_numpy().round(3).tolist()) for key, batch in found]
    [('all', [0.707, 0.707])]
    """
    options = settings.score
    extra = [SAMPLE_SHARE] if settings.window.max_window_rows else []
    if options.reference:
        extra += EVIDENCE
    if options.explain is not None:
        extra.append(EXPLANATION)
    if settings.sink.embeddings:
        extra.append(embedding_field(one_model.dim))
    work = _Work(scorer, settings, one_model, extra, clock, watch)
    scored = op.map("windows", up, watch.guard(work.score))
    letters = op.flat_map("dead_letters", scored, lambda item: item[1].dead_letters)
    scores = op.flat_map_value("scores", scored, lambda item: item.scores)
    if options.reference:
        candidates = op.flat_map_value("candidates", scored, lambda item: item.candidates)
        scores = _compare(candidates, settings, one_model.pinned, watch)
    return ScoreOut(
        op.flat_map_value("parts", scores, lambda scores: map(scores.with_rows, of_strings(scores.rows))),
        op.flat_map_value("summaries", scored, lambda item: item.windows),
        op.key_on("keyed", letters, lambda _: "dead_letters"),
    )


def _compare(
    candidates: KeyedStream[Candidates], settings: Settings, pinned: Pinned | None, watch: Watch
) -> KeyedStream[Marked]:
    """Compare events with a reference: see :mod:`dataflow.score.evidence.messages`."""
    options = settings.score
    quarantine = options.quarantine or QUARANTINE_STEPS * step(settings.window)
    placed = op.stateful_batch("sample", candidates, partial(SampleLogic, options, watch))
    orders = op.flat_map("by_shelf", placed, lambda item: _by_shelf(*item))
    recalled = op.stateful_batch("shelf", orders, partial(ShelfLogic))
    back = op.map("by_group", recalled, lambda item: (item[0].partition(":")[0], item[1]))
    forward = op.filter("forward", placed, lambda item: isinstance(item[1], Placed))
    to_compare: KeyedStream[Placed | Recalled] = op.merge("to_compare", forward, back)
    compare = partial(CompareLogic, options, micros(quarantine), pinned, watch)
    return op.stateful_batch("compare", to_compare, compare)


def _by_shelf(group: str, item: Placed | Order) -> list[tuple[str, Order]]:
    return [] if isinstance(item, Placed) else [(f"{group}:{item.shelf}", item)]


@dataclass(frozen=True)
class _Work:
    scorer: Scorer
    settings: Settings
    one_model: OneModel
    extra: list[pa.Field]
    clock: Clock
    watch: Watch

    def score(self, item: tuple[str, WholeWindows]) -> tuple[str, _Scored]:
        """Gather, unify and score the windows of an item. Only one item at a time is copied."""
        group, windows = item
        gathered, tracer = windows.gather(), self.watch.tracer
        with tracer.windows(gathered, windows):
            rows, refused = self.one_model.unify(gathered)
            self.watch.dead_letters(refused)
            mark = Marked(rows, trace=tracer.mark())
            letters = [mark.with_rows(refused)] if len(refused) else []
            if not len(rows):
                # The step `sample` counts the emissions.
                none = no_candidates(windows.emission, self.one_model.dim, self.settings.score)
                return group, _Scored([], [none], [], letters)
            if letters:
                windows = with_seen(windows, gathered)
        with tracer.span("score", [mark], scorer=self.settings.score.kind):
            result = score_windows(self.scorer, windows, rows, self.extra)
            self._observe(windows, result)
            mark = Marked(rows, trace=tracer.mark())
            scores = mark.with_rows(result.rows)
            found = self._candidates(windows.emission, rows, scores)
            return group, _Scored([scores], found, [mark.with_rows(result.summary)], letters)

    def _candidates(self, emission: int, rows: pa.RecordBatch, scores: Marked) -> list[Candidates]:
        options = self.settings.score
        if not options.reference:
            return []
        return [make_candidates(emission, rows, scores, options, self.settings.window)]

    def _observe(self, windows: WholeWindows, result: ScoredWindows) -> None:
        rows, now_us = result.rows, micros(self.clock())
        again = int(np.count_nonzero(result.summary.column("revision").to_numpy()))
        metrics.SCORED_ROWS.inc(len(rows))
        metrics.WINDOWS_CLOSED.inc(len(result.summary) - again)
        metrics.WINDOW_REVISIONS.inc(again)
        metrics.SCORES.observe(rows.column("score").to_numpy())
        metrics.EVENT_LATENCY.observe((now_us - event_times(rows)) / 1e6)
        if windows.arrival_us is not None:
            metrics.ARRIVAL_LATENCY.observe((now_us - windows.arrival_us) / 1e6)
        self.watch.digest.windows(result.summary)
