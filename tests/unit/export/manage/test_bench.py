"""What a measurement counts, with a clock that the test moves."""

from collections.abc import Sequence

import pytest

from dataflow import settings
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from export.manage import bench


class Timed(NullEmbedder):
    """Takes 10 ms a text."""

    def __init__(self) -> None:
        super().__init__(4)
        self.now, self.sizes, self.closed = 0.0, list[int](), False

    def embed(self, texts: Sequence[str]) -> Embedded:
        self.now += 0.01 * len(texts)
        self.sizes.append(len(texts))
        return super().embed(texts)

    def close(self) -> None:
        self.closed = True


def test_latencies_and_rates_of_each_combination(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Timed()
    monkeypatch.setattr(bench, "connect", lambda _: embedder)
    cells = list(
        bench.bench(
            settings.Embed(),
            ["a", "b", "c"],
            batches=[2, 8],
            concurrencies=[1],
            seconds=0.5,
            clock=lambda: embedder.now,
        )
    )
    assert [(cell.batch, cell.concurrency) for cell in cells] == [(2, 1), (8, 1)]
    for cell in cells:
        assert cell.texts_per_second == pytest.approx(100)
        assert cell.p50_ms == pytest.approx(10 * cell.batch)
        assert cell.p99_ms == pytest.approx(10 * cell.batch)
        # One request more was sent, which does not count.
        assert embedder.sizes.count(cell.batch) == cell.requests + 1
    assert embedder.closed


def test_made_up_texts_are_the_same_each_time() -> None:
    texts = bench.made_up_texts(500)
    assert texts == bench.made_up_texts(500)
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) >= 4
    assert max(lengths) == 40
    assert sorted(lengths)[250] < 10
