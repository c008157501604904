"""Measures a running server: latency and throughput by batch size and by number of concurrent requests."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.triton.connect import connect

_WORDS = (
    *("session", "opened", "for", "user", "root", "failed", "password", "invalid", "port", "connection"),
    *("closed", "by", "timeout", "disk", "node", "payment", "declined", "retry", "after", "error", "module"),
)


@dataclass(frozen=True)
class Cell:
    """One row of the table. Latencies are those of a request, in milliseconds."""

    batch: int
    concurrency: int
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    texts_per_second: float


def made_up_texts(n: int) -> list[str]:
    """Log lines of 4 to 40 words, mostly short. Every call returns the same lines."""
    draw = random.Random(0)
    return [" ".join(draw.choices(_WORDS, k=min(3 + int(draw.paretovariate(1)), 40))) for _ in range(n)]


def bench(
    options: settings.Embed,
    texts: Sequence[str],
    *,
    batches: Sequence[int],
    concurrencies: Sequence[int],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Cell]:
    """Measure each combination for ``seconds``, after one request per client that does not count."""
    for concurrency in concurrencies:
        embedders = [connect(options) for _ in range(concurrency)]
        try:
            for batch in batches:
                yield _cell(embedders, texts, batch, seconds, clock)
        finally:
            for embedder in embedders:
                embedder.close()


def _cell(
    embedders: Sequence[Embedder],
    texts: Sequence[str],
    batch: int,
    seconds: float,
    clock: Callable[[], float],
) -> Cell:
    pool = [texts[i % len(texts)] for i in range(len(texts) + batch)]

    def client(number: int) -> list[float]:
        embedder, latencies = embedders[number], []
        first = number * batch % len(texts)
        embedder.embed(pool[first : first + batch])
        until = clock() + seconds
        while (begun := clock()) < until:
            first = (first + batch) % len(texts)
            embedder.embed(pool[first : first + batch])
            latencies.append(clock() - begun)
        return latencies

    with ThreadPoolExecutor(len(embedders)) as threads:
        by_client = list(threads.map(client, range(len(embedders))))
    latencies = np.concatenate(by_client)
    p50, p95, p99 = (np.quantile(latencies, (0.5, 0.95, 0.99)) * 1e3).tolist()
    # The sum of each client's own rate: the clients do not end at one moment.
    rate = sum(batch * len(own) / sum(own) for own in by_client)
    return Cell(batch, len(embedders), len(latencies), p50, p95, p99, rate)
