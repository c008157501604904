"""The logics of the steps that compare events with a reference (see :mod:`dataflow.score.evidence`)."""

from collections.abc import Iterable
from typing import Any

from bytewax.operators import StatefulBatchLogic

from dataflow.items.marks import Marked
from dataflow.score.evidence.compare import Comparison
from dataflow.score.evidence.messages import Candidates, Drop, Order, Placed, Recall, Recalled
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.evidence.sample import Samples
from dataflow.score.evidence.shelf import Shelf
from dataflow.settings import Score
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch


class SampleLogic(StatefulBatchLogic[Candidates, "Placed | Order", dict[str, Any]]):
    """Decides which events of a key group are sampled."""

    def __init__(self, options: Score, watch: Watch, state: dict[str, Any] | None) -> None:
        self._guard, self._samples = watch.guard, Samples(options.reference_rows, state)

    def on_batch(self, values: list[Candidates]) -> tuple[Iterable[Placed | Order], bool]:
        out: list[Placed | Order] = []
        for value in values:
            placed, orders = self._guard(self._samples.take)(value)
            out += [*placed, *orders]
        return out, False

    def snapshot(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guard(self._samples.snapshot)()
        return state


class ShelfLogic(StatefulBatchLogic[Order, Recalled, dict[str, Any]]):
    """Keeps sampled events for a restart."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        self._shelf = Shelf(state)

    def on_batch(self, values: list[Order]) -> tuple[Iterable[Recalled], bool]:
        recalled: list[Recalled] = []
        for order in values:
            match order:
                case Recall():
                    recalled.append(Recalled(order.shelf, list(self._shelf.rows)))
                case Drop():
                    return recalled, True
                case _:
                    self._shelf.apply(order)
        return recalled, False

    def snapshot(self) -> dict[str, Any]:
        state = self._shelf.snapshot()
        metrics.SNAPSHOT_BYTES.inc(len(state["rows"]))
        return state


class CompareLogic(StatefulBatchLogic["Placed | Recalled", Marked, dict[str, Any]]):
    """Compares the events of a key group with the references of their keys."""

    def __init__(
        self,
        options: Score,
        quarantine_us: int,
        pinned: Pinned | None,
        watch: Watch,
        state: dict[str, Any] | None,
    ) -> None:
        self._guard, self._comparison = watch.guard, Comparison(options, quarantine_us, state, pinned)

    def on_batch(self, values: list[Placed | Recalled]) -> tuple[Iterable[Marked], bool]:
        def take(value: Placed | Recalled) -> list[Marked]:
            return list(self._comparison.take(value))

        return [marked for value in values for marked in self._guard(take)(value)], False

    def snapshot(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guard(self._comparison.snapshot)()
        return state
