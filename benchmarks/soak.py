"""``python -m benchmarks.soak --minutes 30``: does the memory of the client and the server grow over time?

It sends texts of mixed lengths, 256 at a time, through a Triton server of its own. It prints the memory that
the client and the server share with no other process: after the warm-up, the memory should not grow.
"""

import argparse
import os
import random
import time

from benchmarks.kit.candidates import exported, served
from benchmarks.kit.corpus import short_texts
from benchmarks.kit.measure import table
from benchmarks.kit.processes import anonymous_bytes
from dataflow import settings
from dataflow.embed.repository import Layout
from dataflow.embed.triton.connect import connect
from export.convert import weights

REPORTS = 12
TEXTS_PER_CALL = 256


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", choices=weights.KNOWN)
    parser.add_argument("--minutes", type=float, default=30.0, help="default: %(default)s")
    arguments = parser.parse_args()
    soak(exported(arguments.model, "fp32"), arguments.minutes * 60)


def soak(layout: Layout, seconds: float) -> None:
    """Prints a row at the start and ``REPORTS`` more rows, evenly over ``seconds``."""
    draw, texts = random.Random(2), short_texts(2000)
    with served(layout) as server:
        embedder = connect(settings.Embed(url=server.url, repository=layout.root))
        table("Memory, mixed lengths", ("minutes", "texts", "client MB", "server MB"), [])
        begun, done, due = time.monotonic(), 0, 0.0
        while due <= seconds:
            if (now := time.monotonic() - begun) >= due:
                client, triton = (anonymous_bytes(pid) / 2**20 for pid in (os.getpid(), server.pid or 0))
                print(f"| {now / 60:.1f} | {done} | {client:.0f} | {triton:.0f} |", flush=True)
                due += seconds / REPORTS
            batch = [
                " ".join(draw.sample(texts, min(int(draw.paretovariate(1)), 20)))
                for _ in range(TEXTS_PER_CALL)
            ]
            done += len(embedder.embed(batch).vectors)
        embedder.close()


if __name__ == "__main__":
    main()
