"""What the stages before the alert stage say of a stream, and the alerts that follow from that.

Scores do not depend on the settings of alerts. So a stream is scored once, and its alerts are decided with
several settings.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from benchmarks.kit.labelled import FLOW, Case
from dataflow.alert.alerts import Alerts
from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.decode.step import decode
from dataflow.embed.base import Embedder
from dataflow.embed.batch import one_version
from dataflow.embed.step import embed
from dataflow.items.early import Early
from dataflow.items.judged import Judged, Passed
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.score.emission import OneModel
from dataflow.score.scorers import open_scorer
from dataflow.score.step import score
from dataflow.settings import Settings, has_budget, load
from dataflow.source import open_source, partitions_with_data
from dataflow.telemetry.watch import UNWATCHED
from dataflow.window.step import gather_windows


class Scored(NamedTuple):
    """The settings of a stream, and the messages to the alert stage, each with its key group."""

    settings: Settings
    messages: list[tuple[str, Judged | Passed | Early]]


def scored(case: Case, embedder: Embedder, *, early: bool = False) -> Scored:
    """What the stages from the source to the score say of a stream. ``early``: also before windows end."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "stream.jsonl")
        path.write_text("".join(json.dumps(event.line) + "\n" for event in case.events))
        settings = load({**FLOW, **case.environ, "DRIFTLINE_SOURCE__URI": f"file:{path}"})
        source = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
        messages: list[tuple[str, Judged | Passed | Early]] = []
        flow = Dataflow("scored")
        decoded = decode("decode", op.input("source", flow, source), settings, utc_now, UNWATCHED)
        embedded = embed("embed", decoded.events, embedder, UNWATCHED)
        partitions = partitions_with_data(source)
        windows = gather_windows(
            "window", embedded.events, settings.window, utc_now, partitions, announces=early
        )
        one_model = OneModel(embedder.dim, partial(one_version, embedder), None)
        scorer = open_scorer(settings.score)
        found = score(
            "score", windows.whole, windows.arrived, scorer, settings, one_model, utc_now, UNWATCHED
        )
        op.output(
            "out", op.merge("messages", found.judged, windows.passed, found.early), TestingSink(messages)
        )
        run_main(flow)
    return Scored(settings, messages)


def alerts(scored: Scored, *, likeness: Likeness = UNMARKED, **options: Any) -> list[dict[str, Any]]:
    """The rows of ``ALERT`` of a stream; ``options`` are settings of alerts."""
    return [row for rows in alerts_live(scored, likeness, **options) for row in rows]


def alerts_live(scored: Scored, likeness: Likeness, **options: Any) -> Iterator[list[dict[str, Any]]]:
    """The rows of ``ALERT`` of a stream, as they come: those after each message."""
    settings = scored.settings
    alert = settings.alert.model_copy(update=options)
    groups = 1 if has_budget(alert, settings.window) == "key" else settings.window.key_groups
    decide = Alerts(alert, settings.window, groups, likeness=likeness)
    for group, message in scored.messages:
        yield decide.take(group, message)
    yield decide.finish()
