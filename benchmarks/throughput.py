"""``python -m benchmarks.throughput HOST:8001``: how many tokens a second does a running model server take?

It is the benchmark for a GPU: the server is yours and may run elsewhere. The texts have about 50 tokens each.
"""

import argparse
import os
import time
from pathlib import Path

from benchmarks.kit.candidates import exported
from benchmarks.kit.measure import table
from dataflow import settings
from dataflow.embed.tokens import Tokens
from dataflow.embed.triton.connect import connect
from export.convert import weights

WORDS_PER_TEXT = 16
WARM_UP_TEXTS = 1024


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
    parser.add_argument("--seconds", type=float, default=20.0, help="default: %(default)s")
    arguments = parser.parse_args()
    tokens = Tokens(exported(arguments.model, "fp32").tokenizer)
    measure(arguments.url, tokens, arguments.texts, arguments.seconds)


def measure(url: str, tokens: Tokens, count: int, seconds: float) -> None:
    texts = [" ".join(f"word{(i * 31 + j) % 997}" for j in range(WORDS_PER_TEXT)) for i in range(count)]
    real = sum(int(batch.attention_mask.sum()) for batch in tokens.batches(texts, max_tokens=1, max_rows=1))
    # Without a repository, the client accepts whichever model the server holds.
    no_repository = Path(os.devnull)
    options = settings.Embed(
        url=url, repository=no_repository, max_request_rows=1024, max_in_flight=16, channels=4
    )
    embedder = connect(options)
    embedder.embed(texts[:WARM_UP_TEXTS])
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        done += len(embedder.embed(texts).vectors)
    rate = done / (time.perf_counter() - begun)
    embedder.close()
    per_text = real / len(texts)
    target = "mpnet 2,000,000 tokens/s, MiniLM 200,000 texts/s (H200)"
    table(
        url,
        ("tokens per text", "texts/s", "tokens/s", "target"),
        [(f"{per_text:.0f}", f"{rate:,.0f}", f"{rate * per_text:,.0f}", target)],
    )


if __name__ == "__main__":
    main()
