"""What is done to the windows of an emission: they are made comparable, and scored; both are measured."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from dataflow.clock import Clock, micros
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times
from dataflow.items.windows import ScoredWindows, WholeWindows
from dataflow.score.evidence.again import EmbedAgain, never
from dataflow.score.evidence.candidates import make_candidates, no_candidates
from dataflow.score.evidence.messages import Candidates
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.window import with_seen
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
    #: Embeds sampled events again after a change of the model.
    embed_again: EmbedAgain = never
    #: What people marked.
    likeness: Likeness = UNMARKED


@dataclass(frozen=True)
class Unified:
    """The windows of an emission, whose rows come from one version of one model.

    ``windows``: the windows, without their parts. ``rows``: all rows of the windows, sorted by (``key``,
    ``ts``, ``id``); there are none if the model refuses them all. ``dead_letters``: the rows that the model
    refuses.
    """

    windows: WholeWindows
    rows: Marked
    dead_letters: list[Marked]


@dataclass(frozen=True)
class Scored:
    """The scored windows of an emission, as the streams out of the score step need them."""

    scores: list[Marked]
    candidates: list[Candidates]
    windows: list[Marked]
    dead_letters: list[Marked]


@dataclass(frozen=True)
class Emissions:
    """Unifies and scores the windows of emissions. ``clock`` is used to measure the age of their events."""

    settings: Settings
    one_model: OneModel
    clock: Clock
    watch: Watch

    def unify(self, windows: WholeWindows) -> Unified:
        """Copy the rows of ``windows`` together, and embed them again if several versions embedded them."""
        gathered, tracer = windows.gather(), self.watch.tracer
        with tracer.windows(gathered, windows):
            rows, refused = self.one_model.unify(gathered)
            self.watch.dead_letters(refused)
            mark = Marked(rows, trace=tracer.mark())
        if not len(refused):
            return Unified(replace(windows, parts=[]), mark, [])
        return Unified(replace(with_seen(windows, gathered), parts=[]), mark, [mark.with_rows(refused)])

    def score(
        self, unified: Unified, score: Callable[[WholeWindows, pa.RecordBatch], ScoredWindows]
    ) -> Scored:
        """Score windows with ``score``, if they have rows."""
        windows, rows, options = unified.windows, unified.rows.rows, self.settings.score
        if not len(rows):
            # The step `sample` counts the emissions.
            none = no_candidates(windows.emission, self.one_model.dim, options, windows.arrived)
            return Scored([], [none], [], unified.dead_letters)
        tracer = self.watch.tracer
        with tracer.span("score", [unified.rows], scorer=options.kind):
            result = score(windows, rows)
            self._observe(windows, result)
            mark = Marked(rows, trace=tracer.mark())
            scores, candidates = mark.with_rows(result.rows), []
            if options.reference:
                candidates = [make_candidates(windows, rows, scores, options, self.settings.window)]
            return Scored([scores], candidates, [mark.with_rows(result.summary)], unified.dead_letters)

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
