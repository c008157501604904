"""The Bytewax logics of the score stage: one class for each stateful step of :mod:`dataflow.score.step`."""

import math
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

import pyarrow as pa
from bytewax.operators import StatefulBatchLogic

from dataflow.items.early import Arrived, Early
from dataflow.score import gauges
from dataflow.score.clusters import ClusterTracker, GroupClusters
from dataflow.score.emission import Emissions, OneModel, Scored, Unified
from dataflow.score.evidence.again import EmbedAgain
from dataflow.score.evidence.compare import Compared, Comparison
from dataflow.score.evidence.messages import (
    Candidates,
    Drop,
    Order,
    Placed,
    PlacedArrived,
    Recall,
    Recalled,
)
from dataflow.score.evidence.sample import Samples
from dataflow.score.evidence.shelf import Shelf
from dataflow.score.order import EmissionOrder
from dataflow.score.window import track_windows
from dataflow.settings import Alert, Score
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch


class ClustersLogic(StatefulBatchLogic[Unified, Scored, dict[str, Any]]):
    """Scores the windows of a key group with clusters that go on from window to window."""

    def __init__(
        self,
        tracker: ClusterTracker,
        emissions: Emissions,
        extra: Collection[pa.Field],
        state: dict[str, Any] | None,
    ) -> None:
        state = state or {"next": 0, "keys": ()}
        self._emissions, self._guard = emissions, emissions.watch.guard
        self._order = EmissionOrder[Unified](state["next"])
        self._clusters = GroupClusters(tracker, emissions.settings, state["keys"])
        self._track = partial(track_windows, self._clusters, extra=extra)

    def on_batch(self, values: list[Unified]) -> tuple[Iterable[Scored], bool]:
        ready = [each for value in values for each in self._order.take(value.windows.emission, value)]
        score = self._guard(self._emissions.score)
        return [score(each, self._track) for each in ready], False

    def snapshot(self) -> dict[str, Any]:
        return {"next": self._guard(self._order.snapshot)(), "keys": self._clusters.snapshot()}


class SampleLogic(
    StatefulBatchLogic["Candidates | Arrived", "Placed | PlacedArrived | Order", dict[str, Any]]
):
    """Decides which events of a key group are sampled."""

    def __init__(self, options: Score, most_bytes: int, watch: Watch, state: dict[str, Any] | None) -> None:
        self._guard, self._samples = watch.guard, gauges.SAMPLES.add(Samples(options, most_bytes, state))

    def on_batch(
        self, values: list[Candidates | Arrived]
    ) -> tuple[Iterable[Placed | PlacedArrived | Order], bool]:
        out: list[Placed | PlacedArrived | Order] = []
        for value in values:
            placed, orders = self._guard(self._samples.take)(value)
            out += [*placed, *orders]
            for each in placed:
                if isinstance(each, PlacedArrived):
                    continue
                forgotten = sum(cap == -math.inf for cap in each.caps.values())
                metrics.REFERENCES_CUT.inc(len(each.caps) - forgotten)
                metrics.REFERENCES_FORGOTTEN.inc(forgotten)
        return out, False

    def snapshot(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guard(self._samples.snapshot)()
        return state


class ShelfLogic(StatefulBatchLogic[Order, Recalled, dict[str, Any]]):
    """Keeps sampled events for a restart, and embeds them again after a change of the model."""

    def __init__(self, embed: EmbedAgain, watch: Watch, state: dict[str, Any] | None) -> None:
        self._shelf = Shelf(embed, state)
        self._apply = watch.guard(self._shelf.apply)

    def on_batch(self, values: list[Order]) -> tuple[Iterable[Recalled], bool]:
        recalled: list[Recalled] = []
        for order in values:
            match order:
                case Recall():
                    recalled.append(Recalled(order.shelf, order.number, list(self._shelf.rows)))
                case Drop():
                    return recalled, True
                case _:
                    self._apply(order)
        return recalled, False

    def snapshot(self) -> dict[str, Any]:
        state = self._shelf.snapshot()
        metrics.SNAPSHOT_BYTES.inc(len(state["rows"]))
        return state


class CompareLogic(
    StatefulBatchLogic["Placed | PlacedArrived | Recalled", "Compared | Early", dict[str, Any]]
):
    """Compares the events of a key group with the references of their keys."""

    def __init__(
        self,
        options: Score,
        alert: Alert,
        quarantine_us: int,
        step_us: int,
        pooled: bool,
        one_model: OneModel,
        drift_rows: int | None,
        watch: Watch,
        state: dict[str, Any] | None,
    ) -> None:
        self._guard = watch.guard
        self._comparison = Comparison(
            options,
            alert,
            quarantine_us,
            step_us,
            pooled=pooled,
            pinned=one_model.pinned,
            likeness=one_model.likeness,
            drift_rows=drift_rows,
            state=state,
        )

    def on_batch(
        self, values: list[Placed | PlacedArrived | Recalled]
    ) -> tuple[Iterable[Compared | Early], bool]:
        def take(value: Placed | PlacedArrived | Recalled) -> list[Compared | Early]:
            return list(self._comparison.take(value))

        return [compared for value in values for compared in self._guard(take)(value)], False

    def snapshot(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guard(self._comparison.snapshot)()
        return state
