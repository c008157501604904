"""``python -m benchmarks.limits``: how far is inference from what this machine can compute at most?

It measures the rate of products of matrices and the bandwidth of the memory, counts the arithmetic of the
model in its graph, and measures what is lost on the way: from the arithmetic alone to the whole flow. It
prints a table, and draws a waterfall into ``--out``.

    --model all-mpnet-base-v2   another model; exported into out/benchmark/ the first time
"""

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import onnxruntime

from benchmarks.kit.arithmetic import Arithmetic
from benchmarks.kit.candidates import (
    ROOT,
    WholeFlow,
    answered_by,
    bare_graph,
    cut,
    exported,
    near_lossless,
    served,
    through_triton,
)
from benchmarks.kit.corpus import short_texts
from benchmarks.kit.figures import Figure, middle, not_measured, number, ratio, report
from benchmarks.kit.measure import race, table
from benchmarks.kit.plots import Bar, waterfall
from benchmarks.kit.rates import Triad, chained, flop_rate, products
from dataflow.embed.session import Session
from dataflow.embed.tokens import Batch
from export.convert import weights
from export.errors import ExportError

OUT = ROOT / "out" / "bench" / "plots"
IDEAL, PADDED = "arithmetic of the texts", "padding"
MATRICES, BARE, TOKENS = "small matrices", "rest of the graph", "tokens"
SERVER, FLOW = "server", "flow around it"
NEAR, BF16 = "server, bf16", "torch, bf16"


class Work(NamedTuple):
    """What the texts need: FLOP without and with padding, bytes of weights that the batches read, and bytes
    that the operations beside products read and write.
    """

    flop: float
    padded: float
    weights: float
    moved: float


class Measured(NamedTuple):
    """One number for each round: FLOP a second by library, bytes a second, and seconds of each candidate."""

    rates: dict[str, list[float]]
    bandwidth: list[float]
    took: dict[str, list[float]]

    @property
    def best(self) -> list[float]:
        """The rates of the library that is fastest at fp32."""
        return max((of for name, of in self.rates.items() if name.endswith("fp32")), key=median)


class Step(NamedTuple):
    """``ms``: milliseconds a text up to here, one for each round. ``why``: what this step adds."""

    name: str
    ms: list[float]
    why: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", choices=weights.KNOWN)
    parser.add_argument("--texts", type=int, default=768, help="texts of a round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the picture; default: %(default)s")
    arguments = parser.parse_args()
    texts, threads = short_texts(arguments.texts), len(os.sched_getaffinity(0))
    layout = exported(arguments.model, "fp32")
    batches = cut(layout, texts)
    arithmetic = Arithmetic(layout.graph)
    work = needed(arithmetic, batches)
    measured = measure(arguments.model, texts, arithmetic, arguments.rounds, threads)
    found = steps(work, measured, batches, len(texts))
    show(arguments.model, found, arguments.out)
    report(
        [*figures(measured, found, work.flop / len(texts)), *at_bf16(measured, work.flop)],
        {"numpy": np.__version__, "onnxruntime": onnxruntime.__version__, "torch": version("torch")},
    )


def needed(arithmetic: Arithmetic, batches: list[Batch]) -> Work:
    """Counts in the graph what ``batches`` need."""
    lengths = np.concatenate([batch.attention_mask.sum(1) for batch in batches])
    flop = sum(arithmetic.flop(length) for length in lengths.tolist())
    counts = [arithmetic.count(*batch.input_ids.shape) for batch in batches]
    return Work(
        flop,
        sum(count.products for count in counts),
        sum(count.weights for count in counts),
        sum(count.moved for count in counts),
    )


def measure(model: str, texts: list[str], arithmetic: Arithmetic, rounds: int, threads: int) -> Measured:
    """Measures the machine and the candidates in turns."""
    layout = exported(model, "fp32")
    draw = np.random.default_rng(0)
    multiply = chained([draw.standard_normal(each.shape) for each in arithmetic.weights], threads)
    sizes = [batch.input_ids.size for batch in cut(layout, texts)]
    rows = [draw.standard_normal((size, arithmetic.width), np.float32) for size in sizes]
    session = Session(layout.graph, layout.tokenizer)
    libraries, triad = products(threads), Triad(threads)
    found = Measured({name: [] for name in libraries}, [], {})
    with ExitStack() as stack:
        stack.callback(triad.close)
        server = stack.enter_context(served(layout))
        candidates: dict[str, Callable[[], object]] = {
            MATRICES: lambda: [multiply(each) for each in rows],
            BARE: bare_graph(layout, texts),
            TOKENS: lambda: session.encode(texts),
            SERVER: through_triton(server, texts),
            FLOW: stack.enter_context(WholeFlow(answered_by(server), texts)).run,
        }
        try:
            near = stack.enter_context(near_lossless(model, "bf16"))
            candidates[NEAR] = through_triton(near, texts)
        except ExportError as error:
            not_measured(NEAR, error)
        triad.rate()  # the first pass gets the memory from the system
        for each in range(rounds):
            for name, product in libraries.items():
                found.rates[name].append(flop_rate(product))
            found.bandwidth.append(triad.rate())
            # After a run, threads of ONNX Runtime still spin while they wait for more work.
            for name, (run,) in race(1, candidates, warm_up=each == 0, pause_s=0.2).items():
                found.took.setdefault(name, []).append(run.wall)
    return found


def steps(work: Work, measured: Measured, batches: list[Batch], texts: int) -> list[Step]:
    """From the arithmetic to the whole flow."""
    ms, size = 1e3 / texts, np.mean([batch.input_ids.size for batch in batches])
    bound = work.moved / median(measured.bandwidth) * ms
    read = work.weights / median(measured.bandwidth) * ms
    reasons = {
        MATRICES: f"products of {size:.0f} tokens with the model's weights; to read the weights from memory "
        f"takes {read:.2g} ms a text",
        BARE: f"attention, softmax, norms, activations: {work.moved / texts / 1e6:.1f} MB a text, which take "
        f"{bound:.2g} ms if each operation goes to memory",
        TOKENS: "texts to token ids, sorted and padded, in the same process",
        SERVER: "Triton in a second process, over gRPC",
        FLOW: "files, decoding, windows, k-means, JSON",
    }
    found = [
        Step(
            IDEAL,
            [work.flop / rate * ms for rate in measured.best],
            f"{work.flop / texts / 1e9:.3f} GFLOP a text",
        ),
        Step(
            PADDED,
            [work.padded / rate * ms for rate in measured.best],
            "tokens that fill up the texts of a batch",
        ),
    ]
    return found + [
        Step(name, [wall * ms for wall in measured.took[name]], why) for name, why in reasons.items()
    ]


def losses(found: list[Step]) -> list[float]:
    """The share of the speed that each step loses; 0 for the first. Below 0: the step is faster than the one
    before.
    """
    middles = [median(step.ms) for step in found]
    return [0.0, *(1 - before / this for before, this in pairwise(middles))]


def show(model: str, found: list[Step], out: Path) -> None:
    """Prints the table, and draws the waterfall."""
    middles = [median(step.ms) for step in found]
    added = [this - before for before, this in pairwise([0.0, *middles])]
    first, last = middles[0], middles[-1]
    rows, bars = [], []
    for step, ms, more, lost in zip(found, middles, added, losses(found), strict=True):
        cells = (f"{ms:.3f}", number(1e3 / ms), f"{first / ms:.0%}", f"{lost:.0%}")
        rows.append((step.name, *cells, step.why))
        change = f" ({-lost:+.0%})" if lost else ""
        bars.append(Bar(step.name, more, f"{1e3 / ms:,.0f} texts/s{change}"))
    heads = ("up to", "ms a text", "texts/s", "of the ideal", "loss of this step", "why")
    table(f"{model}, from the arithmetic to the whole flow", heads, rows)
    title = f"{model} at fp32: the whole flow reaches {first / last:.0%} of what the products allow"
    waterfall(out / f"limits-{model}.png", title, "ms a text, on all cores", bars, "all together")


def at_bf16(measured: Measured, flop: float) -> list[Figure]:
    """What the server reaches at bf16, of what products of bf16 allow; nothing where bf16 is not measured."""
    if NEAR not in measured.took or BF16 not in measured.rates:
        return []
    ideal = [flop / rate for rate in measured.rates[BF16]]
    return [ratio("server at bf16 / what the products allow at bf16", ideal, measured.took[NEAR])]


def figures(measured: Measured, found: list[Step], flop: float) -> list[Figure]:
    """What the machine can do, and what each step reaches of it."""
    ideal = found[0].ms
    return [
        *(
            middle(f"products, {name}", [each / 1e9 for each in of], "GFLOP/s")
            for name, of in measured.rates.items()
        ),
        middle("triad, all cores", [each / 1e9 for each in measured.bandwidth], "GB/s"),
        middle("the model needs", [flop / 1e6], "MFLOP/text"),
        middle("the products allow at fp32", [1e3 / ms for ms in ideal], "texts/s"),
        *(
            ratio(f"{step.name} / what the products allow", ideal, step.ms)
            for step in found
            if step.name in (MATRICES, BARE, SERVER, FLOW)
        ),
    ]


if __name__ == "__main__":
    main()
