"""Events as evidence sees them, and the machines of evidence without Bytewax."""

import pickle
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.early import Arrived, Early
from dataflow.items.judged import Judged
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times
from dataflow.items.schemas import EVIDENCE, EXPLANATION
from dataflow.items.windows import KeyWindow, WholeWindows, WindowRef
from dataflow.score.evidence.again import EmbedAgain, never
from dataflow.score.evidence.candidates import make_candidates
from dataflow.score.evidence.compare import Comparison
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.messages import (
    Candidates,
    Drop,
    Order,
    Placed,
    PlacedArrived,
    Recall,
    Recalled,
)
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.evidence.sample import Samples
from dataflow.score.evidence.shelf import Shelf
from dataflow.score.scorers import open_scorer
from dataflow.score.window import score_windows
from dataflow.settings import Alert, Score, Window
from tests.support.batches import embedded_batch, events
from tests.support.windowing import spec

#: Tumbling windows of a minute.
MINUTE = 60_000_000
WINDOW = spec(kind="tumbling", length=60)
#: The dimensions of embeddings, if nothing else is said.
DIM = 8


class Text(NamedTuple):
    """An event: its id, key, time in microseconds, and which of a few texts it has."""

    id: str
    key: str
    ts: int
    text: int


def options(**fields: object) -> Score:
    """Settings with a small reference."""
    small = {"kind": "mean", "reference_rows": 100, "reference_least": 10, "explain": None}
    return Score.model_validate(small | fields)


def embedded(texts: Sequence[Text], dim: int = DIM) -> pa.RecordBatch:
    """The events with embeddings; equal texts have equal embeddings. Sorted by key, time and id."""
    ordered = sorted(texts, key=lambda text: (text.key, text.ts, text.id))
    vectors = np.random.default_rng(3).standard_normal((1000, dim)).astype(np.float32)
    rows = events(
        [f"text {text.text}" for text in ordered],
        ids=[text.id for text in ordered],
        keys=[text.key for text in ordered],
        times_us=[text.ts for text in ordered],
    )
    return embedded_batch(rows, vectors[[text.text for text in ordered]])


def candidates(
    emission: int,
    texts: Sequence[Text],
    score: Score,
    window: Window = WINDOW,
    revision: int = 0,
    arrived: int = 0,
) -> Candidates:
    """The candidates of the window of a minute that all ``texts`` are in."""
    rows = embedded(texts)
    windows = replace(whole(rows, revision, emission), arrived=arrived)
    return make_candidates(windows, rows, scored(rows, score, revision), score, window)


def arrived(number: int, emissions: int, minute: int, texts: Sequence[Text]) -> Arrived:
    """Events that come, in this order, while the window of the minute ``minute`` is the first open one."""
    rows, places = embedded(texts), {text.id: place for place, text in enumerate(texts)}
    order = np.argsort([places[id] for id in rows.column("id").to_pylist()])
    start = minute * MINUTE
    return Arrived(number, emissions, start, start + MINUTE, start, rows.take(pa.array(order)))


def scored(rows: pa.RecordBatch, score: Score, revision: int = 0) -> Marked:
    """The scores of the window of a minute that all ``rows``, which are embedded, are in."""
    extra = [*EVIDENCE, EXPLANATION]
    return Marked(score_windows(open_scorer(score), whole(rows, revision), rows, extra).rows)


def whole(rows: pa.RecordBatch, revision: int = 0, emission: int = 0) -> WholeWindows:
    """The window of a minute that all ``rows`` are in, without its parts."""
    start = event_times(rows).min().item() // MINUTE * MINUTE
    window = KeyWindow(WindowRef(start, start + MINUTE, revision), late=revision > 0)
    return WholeWindows(window, [], emission=emission)


class Group:
    """The steps of one key group, in one place. :meth:`crash` restarts them from their snapshots."""

    def __init__(
        self,
        score: Score,
        quarantine_us: int = 3 * MINUTE,
        most_bytes: int = 10**9,
        pinned: Pinned | None = None,
        embed: EmbedAgain = never,
    ) -> None:
        self._embed = embed
        self._score, self._quarantine_us, self._most_bytes = score, quarantine_us, most_bytes
        self.pinned = pinned
        self.samples, self.comparison = Samples(score, most_bytes), self._open(None)
        self.shelves: dict[int, Shelf] = {}
        self.rows: list[dict[str, Any]] = []
        self.judged: list[Judged] = []
        self.early: list[Early] = []

    def _open(self, state: dict[str, Any] | None) -> Comparison:
        return Comparison(
            self._score,
            Alert(),
            self._quarantine_us,
            MINUTE,
            pooled=self._score.pooled,
            pinned=self.pinned,
            state=state,
        )

    def take(self, item: Candidates | Arrived) -> None:
        placed, orders = self.samples.take(item)
        messages: list[Placed | PlacedArrived | Recalled] = [*placed, *self._carry_out(orders)]
        for message in messages:
            for compared in self.comparison.take(message):
                if isinstance(compared, Early):
                    self.early.append(compared)
                    continue
                self.judged.append(compared.judged)
                self.rows += compared.scores.rows.to_pylist() if compared.scores else []

    def _carry_out(self, orders: Sequence[Order]) -> Iterator[Recalled]:
        for order in orders:
            match order:
                case Recall():
                    yield Recalled(order.shelf, order.number, list(self.shelves[order.shelf].rows))
                case Drop():
                    del self.shelves[order.shelf]
                case _:
                    self.shelves.setdefault(order.shelf, Shelf(self._embed)).apply(order)

    def crash(self, score: Score | None = None) -> None:
        """Restart, with other settings if there are any."""
        self._score = score or self._score
        samples, comparison = pickle.loads(
            pickle.dumps((self.samples.snapshot(), self.comparison.snapshot()))
        )
        self.samples = Samples(self._score, self._most_bytes, samples)
        self.comparison = self._open(comparison)
        self.shelves = {
            number: Shelf(self._embed, shelf.snapshot()) for number, shelf in self.shelves.items()
        }

    def sampled(self) -> dict[str, tuple[Features, Int64s]]:
        """By key, the events that the step ``compare`` has, and when each of them is released."""
        references = self.comparison._references
        large = {key: reference.up_to(np.inf) for key, reference in references.large.items()}
        small = deepcopy(references.small)
        return large | small.pop(list(small))

    def held(self, name: str) -> list[Any]:
        """A column of the events on all shelves."""
        return [
            value
            for shelf in self.shelves.values()
            for rows in shelf.rows
            for value in rows.column(name).to_pylist()
        ]


def stream(seed: int, minutes: int, keys: str = "ab", rate: int = 20) -> list[list[Text]]:
    """The events of ``minutes`` windows: few different texts, and now and then a burst of a new one.

    Some are right at the start of a window.
    """
    rng, numbers = np.random.default_rng(seed), count()
    return [
        [
            Text(
                f"e{next(numbers)}",
                str(rng.choice(list(keys))),
                minute * MINUTE + int(rng.integers(6)) * 10_000_000,
                int(rng.integers(30)) if rng.random() > 0.2 else 30 + minute,
            )
            for _ in range(rate)
        ]
        for minute in range(minutes)
    ]
