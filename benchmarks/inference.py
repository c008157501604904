"""Inference: through Triton and the whole flow, against sentence-transformers and against the bare graph.

``python -m benchmarks.inference`` starts its own server and measures all of it in one run, in turn, so that a
slow moment meets every candidate. A ratio is the median over the rounds of two measured one after the other.

    --model all-mpnet-base-v2   another model (exported into out/benchmark/ unless it is there)
    --precision bf16            what is compared as near-lossless; it says why where it cannot be had
    --soak 30                   only: memory of client and server over so many minutes of mixed lengths
    --url HOST:8001             only: tokens a second through a server that runs already, a GPU's say
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kit.candidates import Flow, bare, exported, padding, served, through, torch
from benchmarks.kit.corpus import long_texts, short_texts
from benchmarks.kit.measure import table
from benchmarks.kit.processes import anonymous, cpu_seconds
from dataflow import settings as config
from dataflow.embed.repository import Layout
from dataflow.embed.tokens import Tokens
from dataflow.embed.triton.connect import connect
from export.convert import weights
from export.convert.precision import Precision
from export.errors import ExportError


@dataclass(frozen=True)
class Took:
    """Seconds: by the wall clock, and of CPU in this process and in the servers."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Goal:
    """The median of ``base``'s seconds over ``candidate``'s must be at least ``ratio``."""

    what: str
    candidate: str
    base: str
    ratio: dict[str, float]


TARGETS = (
    Goal("Triton fp32 / SentenceTransformer.encode", "triton", "torch", {"": 1.3}),
    Goal("Triton near-lossless / SentenceTransformer.encode", "triton near", "torch", {"": 2.5}),
    Goal("Triton fp32 / bare session.run", "triton", "bare", {"": 0.90, "mpnet": 0.95}),
    Goal("whole flow / bare session.run", "flow", "bare", {"": 0.90, "mpnet": 0.95}),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", choices=weights.KNOWN)
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp16", "int8"])
    parser.add_argument("--texts", type=int, help="a round; default: 768, 256 for mpnet")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    parser.add_argument("--url", metavar="HOST:PORT")
    options = parser.parse_args()
    if options.url:
        running(options.url, Tokens(exported(options.model, "fp32").tokenizer))
    elif options.soak:
        soak(exported(options.model, "fp32"), options.soak * 60)
    else:
        count = options.texts or (256 if "mpnet" in options.model else 768)
        for name, texts in (
            ("log lines and SMS", short_texts(count)),
            ("long texts", long_texts(count // 4)),
        ):
            compare(options.model, options.precision, name, texts, options.rounds)


def compare(model: str, near: Precision, name: str, texts: list[str], rounds: int) -> None:
    """One table of seconds, one of ratios."""
    layout = exported(model, "fp32")
    with ExitStack() as stack:
        servers = [stack.enter_context(served(layout))]
        candidates = {"bare": bare(layout, texts), "torch": torch(model, texts)}
        candidates["triton"] = through(servers[0], texts)
        candidates["flow"] = stack.enter_context(Flow(servers[0], texts)).run
        try:
            servers.append(stack.enter_context(served(exported(model, near))))
            candidates["triton near"] = through(servers[1], texts)
        except ExportError as error:
            print(f"without {near}: {error}")
        took = race(rounds, candidates, [server.pid for server in servers if server.pid])
    lengths, computed = padding(layout, texts)
    title = f"{model}, {name}: {len(texts)} texts of {lengths / len(texts):.0f} tokens, {rounds} rounds"
    rows = [
        (
            each,
            f"{len(texts) / statistics.median(t.wall for t in them):.0f}",
            f"{statistics.median(t.cpu for t in them) / len(texts) * 1e3:.2f}",
        )
        for each, them in took.items()
    ]
    table(title, ("", "texts/s", "ms of CPU a text"), rows)
    ratios: list[tuple[str, ...]] = []
    for target in TARGETS:
        wanted = max(ratio for part, ratio in target.ratio.items() if part in model)
        if target.candidate not in took:
            ratios.append((target.what, "not measured", "", "", f"{wanted:.2f}", ""))
            continue
        pairs = list(zip(took[target.base], took[target.candidate], strict=True))
        walls = [base.wall / candidate.wall for base, candidate in pairs]
        cpu = statistics.median(base.cpu / candidate.cpu for base, candidate in pairs)
        found = statistics.median(walls)
        verdict = "yes" if found >= wanted else "no"
        spread = f"{min(walls):.2f} to {max(walls):.2f}"
        ratios.append((target.what, f"{found:.2f}", spread, f"{cpu:.2f}", f"{wanted:.2f}", verdict))
    ratio = computed / lengths
    ratios.append(
        ("tokens computed / real", f"{ratio:.3f}", "", "", "<= 1.05", "yes" if ratio <= 1.05 else "no")
    )
    table("", ("", "median", "range", "by CPU", "target", "met"), ratios)


def race(
    rounds: int, candidates: dict[str, Callable[[], object]], servers: Sequence[int]
) -> dict[str, list[Took]]:
    """Each candidate once a round, in turn; the first round, which warms up, is not counted."""
    taken: dict[str, list[Took]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, run in candidates.items():
            wall, cpu = time.perf_counter(), time.process_time() + sum(map(cpu_seconds, servers))
            run()
            took = Took(
                time.perf_counter() - wall, time.process_time() + sum(map(cpu_seconds, servers)) - cpu
            )
            if number:
                taken[name].append(took)
            time.sleep(0.2)  # threads that spin for more work are still at it
    return taken


def soak(layout: Layout, seconds: float) -> None:
    """Memory that belongs to client and server alone, over time: after the warm-up it should stay."""
    draw, texts = random.Random(2), short_texts(2000)
    with served(layout) as server:
        embedder = connect(config.Embed(url=server.url, repository=layout.root))
        table("Memory, mixed lengths", ("minutes", "texts", "client MB", "server MB"), [])
        begun, done, due = time.monotonic(), 0, 0.0
        while due <= seconds:
            if (now := time.monotonic() - begun) >= due:
                memory = [anonymous(pid) / 2**20 for pid in (os.getpid(), server.pid or 0)]
                print(f"| {now / 60:.1f} | {done} | {memory[0]:.0f} | {memory[1]:.0f} |", flush=True)
                due += seconds / 12
            some = [" ".join(draw.sample(texts, min(int(draw.paretovariate(1)), 20))) for _ in range(256)]
            done += len(embedder.embed(some).vectors)
        embedder.close()


def running(url: str, tokens: Tokens, seconds: float = 20.0) -> None:
    """Texts of about 50 tokens through a server that runs already: what a GPU is measured by."""
    texts = [" ".join(f"word{(i * 31 + j) % 997}" for j in range(16)) for i in range(16384)]
    real = sum(int(batch.attention_mask.sum()) for batch in tokens.batches(texts, max_tokens=1, max_rows=1))
    # A repository that is not there: whatever the server holds is welcome.
    large = config.Embed(
        url=url, repository=Path(os.devnull), max_request_rows=1024, max_in_flight=16, channels=4
    )
    embedder = connect(large)
    embedder.embed(texts[:1024])
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        done += len(embedder.embed(texts).vectors)
    rate = done / (time.perf_counter() - begun)
    embedder.close()
    a_text = real / len(texts)
    wanted = "mpnet 2,000,000 tokens/s, MiniLM 200,000 texts/s (H200)"
    table(
        url,
        ("tokens a text", "texts/s", "tokens/s", "target"),
        [(f"{a_text:.0f}", f"{rate:,.0f}", f"{rate * a_text:,.0f}", wanted)],
    )


if __name__ == "__main__":
    main()
