"""``python -m benchmarks.inference``: how fast is inference through Triton, and through the whole flow?

It starts servers of its own, and measures them beside sentence-transformers and the bare graph. In each
round, the candidates run a moment apart.

    --model all-mpnet-base-v2   another model; exported into out/benchmark/ the first time
    --precision bf16            the near-lossless precision; if it cannot be had here, the output says why
"""

import argparse
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.kit.candidates import (
    WholeFlow,
    answered_by,
    bare_graph,
    exported,
    near_lossless,
    padding,
    sentence_transformer,
    served,
    through_triton,
)
from benchmarks.kit.corpus import long_texts, short_texts
from benchmarks.kit.figures import Figure, middle, not_measured, report, speed
from benchmarks.kit.measure import Took, median, race, table
from benchmarks.kit.processes import cpu_seconds
from export.convert import weights
from export.convert.precision import Precision
from export.errors import ExportError
from export.repository.install import read_spec

#: Computed tokens, padding included, for each real token.
MAX_PADDING = 1.05


@dataclass(frozen=True)
class Goal:
    """The median of ``base``'s seconds over ``candidate``'s is at least ``ratio``.

    ``ratio`` maps a part of a model's name to the bound; the largest bound whose part matches counts.
    """

    candidate: str
    base: str
    ratio: Mapping[str, float]

    def __str__(self) -> str:
        return f"{self.candidate} / {self.base}"

    def bound(self, model: str) -> float:
        return max(ratio for part, ratio in self.ratio.items() if part in model)


GOALS = (
    Goal("Triton fp32", "SentenceTransformer", {"": 1.3}),
    Goal("Triton near-lossless", "SentenceTransformer", {"": 2.5}),
    Goal("Triton fp32", "bare graph", {"": 0.90, "mpnet": 0.95}),
    Goal("whole flow", "bare graph", {"": 0.90, "mpnet": 0.95}),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", choices=weights.KNOWN)
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp16", "int8"])
    parser.add_argument("--texts", type=int, help="texts per round; default: 768, 256 for mpnet")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    count = arguments.texts or (256 if "mpnet" in arguments.model else 768)
    figures = [parity(arguments.model)]
    for name, texts in (
        ("log lines and SMS", short_texts(count)),
        ("long texts", long_texts(max(1, count // 4))),
    ):
        figures += compare(arguments.model, arguments.precision, name, texts, arguments.rounds)
    report(figures)


def parity(model: str) -> Figure:
    """How far the exported graph is from sentence-transformers, as the export measured it."""
    spec = read_spec(exported(model, "fp32"))
    assert spec, "the model is exported"
    name = f"{model}: exported graph and SentenceTransformer, largest difference"
    return middle(name, [spec.parity], goal=1e-5, at_most=True)


def compare(model: str, near: Precision, name: str, texts: list[str], rounds: int) -> list[Figure]:
    """The ratios. Prints a table of seconds."""
    layout = exported(model, "fp32")
    taken = measured(model, near, texts, rounds)
    tokens = padding(layout, texts)
    title = f"{model}, {name}: {len(texts)} texts of {tokens.real / len(texts):.0f} tokens, {rounds} rounds"
    rows = []
    for candidate, runs in taken.items():
        took = median(runs)
        rows.append((candidate, f"{len(texts) / took.wall:.0f}", f"{took.cpu / len(texts) * 1e3:.2f}"))
    table(title, ("", "texts/s", "CPU ms per text"), rows)
    of = f"{model}, {name}"
    figures = [
        speed(taken, goal.candidate, goal.base, goal.bound(model), name=f"{of}: {goal}")
        for goal in GOALS
        if goal.candidate in taken
    ]
    padded = middle(
        f"{of}: tokens computed / real", [tokens.computed / tokens.real], goal=MAX_PADDING, at_most=True
    )
    return [*figures, padded]


def measured(model: str, near: Precision, texts: list[str], rounds: int) -> dict[str, list[Took]]:
    """The runs of each candidate. The CPU time is that of this process and of the servers."""
    layout = exported(model, "fp32")
    with ExitStack() as stack:
        servers = [stack.enter_context(served(layout))]
        candidates: dict[str, Callable[[], object]] = {
            "bare graph": bare_graph(layout, texts),
            "SentenceTransformer": sentence_transformer(model, texts),
            "Triton fp32": through_triton(servers[0], texts),
            "whole flow": stack.enter_context(WholeFlow(answered_by(servers[0]), texts)).run,
        }
        try:
            servers.append(stack.enter_context(near_lossless(model, near)))
            candidates["Triton near-lossless"] = through_triton(servers[1], texts)
        except ExportError as error:
            not_measured(f"{model}: Triton near-lossless", error)
        leaders = [server.pid for server in servers if server.pid]
        return race(
            rounds,
            candidates,
            cpu_seconds=lambda: time.process_time() + sum(map(cpu_seconds, leaders)),
            warm_up=True,
            # After a run, threads of ONNX Runtime still spin while they wait for more work.
            pause_s=0.2,
        )


if __name__ == "__main__":
    main()
