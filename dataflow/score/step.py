"""The score step: takes whole windows, gives scores, a summary of each window, and dead letters."""

from dataclasses import dataclass
from functools import partial

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from dataflow.clock import Clock, micros
from dataflow.items.early import Arrived, Early
from dataflow.items.embedding import embedding_field
from dataflow.items.judged import Judged
from dataflow.items.marks import Marked
from dataflow.items.rows import of_strings
from dataflow.items.schemas import EVIDENCE, EXPLANATION, SAMPLE_SHARE
from dataflow.items.windows import WholeWindows
from dataflow.score import gauges
from dataflow.score.clusters import ClusterTracker
from dataflow.score.emission import Emissions, OneModel, Scored
from dataflow.score.evidence.candidates import QUARANTINE_STEPS
from dataflow.score.evidence.compare import Compared
from dataflow.score.evidence.messages import Candidates, Order, Placed, PlacedArrived, Recalled
from dataflow.score.logics import ClustersLogic, CompareLogic, SampleLogic, ShelfLogic
from dataflow.score.scorers import Scorer
from dataflow.score.window import score_windows
from dataflow.settings import Settings
from dataflow.telemetry.watch import Watch


@dataclass(frozen=True)
class ScoreOut:
    """The streams out of the score step."""

    #: A row for each event and window, schema ``SCORED``.
    scores: KeyedStream[Marked]
    #: A row for each window, schema ``WINDOW_SUMMARY``; with ``score.start = warm`` also ``CLUSTERS``.
    windows: KeyedStream[Marked]
    #: What each emission of a key group is found to be, keyed by key group; nothing without a reference.
    judged: KeyedStream[Judged]
    #: What events are found to be before their windows end, keyed by key group.
    early: KeyedStream[Early]
    #: The events that could not be embedded again, schema ``DEAD_LETTER``.
    dead_letters: KeyedStream[Marked]


@operator
def score(
    step_id: str,
    up: KeyedStream[WholeWindows],
    arrived: KeyedStream[Arrived],
    scorer: Scorer,
    settings: Settings,
    one_model: OneModel,
    clock: Clock,
    watch: Watch,
) -> ScoreOut:
    """Score windows. The windows of an item are scored together, and each key by itself.

    ``arrived``: the events whose windows have not ended, if alerts may come before.
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
    >>> arrived = op.filter("none", up, lambda _: False)
    >>> out = score("score", up, arrived, scorer, settings, one_model, utc_now, UNWATCHED)
    >>> op.output("out", out.scores, TestingSink(found))
    >>> run_main(flow)
    >>> [(key, batch.rows.column("score").to_numpy().round(3).tolist()) for key, batch in found]
    [('all', [0.707, 0.707])]
    """
    options = settings.score
    extra = _extra(settings, one_model.dim)
    emissions = Emissions(settings, one_model, clock, watch)
    if options.start == "warm":
        unified = op.map_value("windows", up, watch.guard(emissions.unify))
        logic = partial(ClustersLogic, ClusterTracker(options), emissions, extra)
        scored = op.stateful_batch("clusters", unified, logic)
    else:
        score = partial(score_windows, scorer, extra=extra)

        # One step for both, so that the rows of only one item at a time are copied.
        def unify_and_score(windows: WholeWindows) -> Scored:
            return emissions.score(emissions.unify(windows), score)

        scored = op.map_value("windows", up, watch.guard(unify_and_score))
    letters = op.flat_map("dead_letters", scored, lambda item: item[1].dead_letters)
    scores = op.flat_map_value("scores", scored, lambda item: item.scores)
    if options.reference:
        candidates = op.flat_map_value("candidates", scored, lambda item: item.candidates)
        found = _compare(candidates, arrived, settings, one_model, watch)
        compared = op.flat_map_value("compared", found, _if_compared)
        early = op.flat_map_value("early", found, lambda each: [each] if isinstance(each, Early) else [])
        scores = op.flat_map_value(
            "with_evidence", compared, lambda each: [each.scores] if each.scores else []
        )
        judged = op.map_value("judged", compared, lambda each: each.judged)
    else:
        judged = op.flat_map_value("judged", scored, lambda _: [])
        early = op.flat_map_value("early", scored, lambda _: [])
    return ScoreOut(
        op.flat_map_value("parts", scores, lambda scores: map(scores.with_rows, of_strings(scores.rows))),
        op.flat_map_value("summaries", scored, lambda item: item.windows),
        judged,
        early,
        op.key_on("keyed", letters, lambda _: "dead_letters"),
    )


def _extra(settings: Settings, dim: int) -> list[pa.Field]:
    """The columns that the settings add to scored rows."""
    extra = [SAMPLE_SHARE] if settings.window.max_window_rows else []
    if settings.score.reference:
        extra += EVIDENCE
        if settings.score.explain is not None:
            extra.append(EXPLANATION)
    if settings.sink.embeddings:
        extra.append(embedding_field(dim))
    return extra


def _compare(
    candidates: KeyedStream[Candidates],
    arrived: KeyedStream[Arrived],
    settings: Settings,
    one_model: OneModel,
    watch: Watch,
) -> KeyedStream[Compared | Early]:
    """Compare events with a reference: see :mod:`dataflow.score.evidence.messages`."""
    gauges.show()
    options = settings.score
    quarantine = options.quarantine or QUARANTINE_STEPS * settings.window.step
    most_bytes = options.reference_bytes // settings.window.key_groups
    to_sample: KeyedStream[Candidates | Arrived] = op.merge("to_sample", candidates, arrived)
    placed = op.stateful_batch("sample", to_sample, partial(SampleLogic, options, most_bytes, watch))
    orders = op.flat_map("by_shelf", placed, lambda item: _by_shelf(*item))
    recalled = op.stateful_batch("shelf", orders, partial(ShelfLogic, one_model.embed_again, watch))
    back = op.map("by_group", recalled, lambda item: (item[0].partition(":")[0], item[1]))
    forward = op.filter("forward", placed, lambda item: isinstance(item[1], Placed | PlacedArrived))
    to_compare: KeyedStream[Placed | PlacedArrived | Recalled] = op.merge("to_compare", forward, back)
    # Else the windows of two keys have no common order, and the pool would depend on the order of arrival.
    is_ordered = settings.window.kind != "session" and settings.window.watermark == "stream"
    pooled = options.pooled and is_ordered
    drift_rows = settings.drift.least_rows if settings.drift.enabled else None
    compare = partial(
        CompareLogic,
        options,
        settings.alert,
        micros(quarantine),
        micros(settings.window.step),
        pooled,
        one_model,
        drift_rows,
        watch,
    )
    return op.stateful_batch("compare", to_compare, compare)


def _if_compared(found: Compared | Early) -> list[Compared]:
    return [found] if isinstance(found, Compared) else []


def _by_shelf(group: str, item: Placed | PlacedArrived | Order) -> list[tuple[str, Order]]:
    return [] if isinstance(item, Placed | PlacedArrived) else [(f"{group}:{item.shelf}", item)]
