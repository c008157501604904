"""``python -m benchmarks.throughput HOST:8001``: how many tokens a second does a running model server take,
with a number of open requests that adapts, and with fixed numbers?

It is the benchmark for a GPU: the server is yours and may run elsewhere. The texts have about 50 tokens each.
"""

import argparse
import os
import time
from pathlib import Path
from statistics import median

from prometheus_client import REGISTRY

from benchmarks.kit.candidates import exported
from benchmarks.kit.figures import middle, report
from benchmarks.kit.measure import table
from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.tokens import Tokens
from dataflow.embed.triton.connect import connect
from export.convert import weights

WORDS_PER_TEXT = 16
MOST_IN_FLIGHT = 64


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput")
    parser.add_argument("url", metavar="HOST:PORT", help="the server's gRPC address")
    parser.add_argument(
        "--model",
        default="all-MiniLM-L6-v2",
        choices=weights.KNOWN,
        help="whose tokenizer counts the tokens; default: %(default)s",
    )
    parser.add_argument("--texts", type=int, default=16_384, help="texts per call; default: %(default)s")
    parser.add_argument("--rows", type=int, default=1024, help="texts per request; default: %(default)s")
    parser.add_argument(
        "--in-flight",
        type=int,
        nargs="*",
        default=[1, 2, 4, 16],
        help="beside the number that adapts, these fixed numbers of requests; default: 1 2 4 16",
    )
    parser.add_argument("--runs", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=20.0, help="default: %(default)s")
    arguments = parser.parse_args()
    tokens = Tokens(exported(arguments.model, "fp32").tokenizer)
    measure(arguments.url, tokens, arguments)


def measure(url: str, tokens: Tokens, arguments: argparse.Namespace) -> None:
    count, seconds = arguments.texts, arguments.seconds
    texts = [" ".join(f"word{(i * 31 + j) % 997}" for j in range(WORDS_PER_TEXT)) for i in range(count)]
    real = sum(int(batch.attention_mask.sum()) for batch in tokens.batches(texts, max_tokens=1, max_rows=1))
    bounds = {f"{MOST_IN_FLIGHT} at most": (1, MOST_IN_FLIGHT)}
    bounds |= {str(number): (number, number) for number in arguments.in_flight}
    rates: dict[str, list[float]] = {name: [] for name in bounds}
    limits: dict[str, int] = {}
    embedders = {name: _embedder(url, arguments.rows, *bound) for name, bound in bounds.items()}
    for _ in range(arguments.runs):
        for name, embedder in embedders.items():
            rates[name].append(_rate(embedder, texts, seconds))
            limits[name] = round(REGISTRY.get_sample_value("driftline_embed_in_flight_limit") or 0)
    for embedder in embedders.values():
        embedder.close()
    per_text = real / len(texts)
    medians = {name: median(of) for name, of in rates.items()}
    best = max(medians.values())
    table(
        f"{url}, {per_text:.0f} tokens a text, {arguments.rows} texts a request, median of {arguments.runs}",
        ("requests in flight", "at the end", "texts/s", "tokens/s", "of the best"),
        [
            (name, f"{limits[name]}", f"{rate:,.0f}", f"{rate * per_text:,.0f}", f"{rate / best:.2f}")
            for name, rate in medians.items()
        ],
    )
    report(
        [
            middle(f"requests in flight: {name}", [rate * per_text for rate in of], "tokens/s")
            for name, of in rates.items()
        ]
    )


def _embedder(url: str, rows: int, least: int, most: int) -> Embedder:
    # Without a repository, the client accepts whichever model the server holds.
    no_repository = Path(os.devnull)
    options = settings.Embed(
        url=url,
        repository=no_repository,
        max_request_rows=rows,
        min_in_flight=least,
        max_in_flight=most,
        channels=4,
    )
    embedder = connect(options)
    embedder.embed(["warm up"] * rows)
    return embedder


def _rate(embedder: Embedder, texts: list[str], seconds: float) -> float:
    """Texts per second."""
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        done += len(embedder.embed(texts).vectors)
    return done / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
