"""``python -m benchmarks.tokens``: how fast do texts become token ids, on one core and on several?

The candidates take turns. The tokenizer gets whole texts. Or it gets pieces between spaces, and either
remembers none at the start of a run, or those of earlier runs; the last candidate also sorts, cuts and pads.
On one core, the time is that of the CPU.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import chain, cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from benchmarks.kit.corpus import ROOT, SHARED, is_here
from benchmarks.kit.figures import Figure, middle, report, speed
from benchmarks.kit.measure import median, race, table
from dataflow.embed.repository import Layout
from dataflow.embed.tokens import GPU, Tokens
from dataflow.embed.wordpieces import Pieces, Whole

FILES = ("sms.jsonl", "bgl.jsonl", "openssh.jsonl")
#: As many texts as an embedder gets in one call.
CALL = 4096
#: Runs of a worker.
ROUNDS = 20
HEADS = (
    "texts",
    "tokens a text",
    "whole",
    "pieces, none known",
    "pieces",
    "pieces, padded batches",
    "pieces / whole",
)


class Case(NamedTuple):
    """Each run takes the next of ``slices``."""

    name: str
    slices: Sequence[Sequence[str]]

    def calls(self) -> Iterator[list[Sequence[str]]]:
        """The calls of each run, without end."""
        for texts in cycle(self.slices):
            yield [texts[first : first + CALL] for first in range(0, len(texts), CALL)]


def generated(words: Sequence[str], slices: int, texts: int) -> Case:
    """Texts of 20 words of Zipf's law and of a number, which does not come again."""
    draw = np.random.default_rng(0)
    made = []
    for first in range(0, slices * texts, texts):
        drawn = (draw.zipf(1.2, (texts, 20)) % len(words)).tolist()
        lines = enumerate(drawn, start=1_000_000 + first)
        made.append([" ".join([*(words[each] for each in row), str(number)]) for number, row in lines])
    return Case("words and a new number", made)


def known_words(tokenizer: Any) -> list[str]:
    """The words of one token, in an order that does not depend on the tokenizer."""
    words = [word for word in sorted(tokenizer.get_vocab()) if word.isalpha() and len(word) > 2]
    np.random.default_rng(1).shuffle(words)
    return words


def cases(tokenizer: Any, runs: int, texts: int) -> list[Case]:
    found = [generated(known_words(tokenizer), runs + 1, texts)]
    for path in (SHARED / name for name in FILES):
        if is_here(path, what=path.stem):
            lines = path.read_text("utf-8").splitlines()
            found.append(Case(path.stem, [[json.loads(line)["text"] for line in lines]]))
    return found


def padded(tokens: Tokens, texts: Sequence[str]) -> None:
    for _ in tokens.batches(texts, **GPU._asdict()):
        pass


def one_core(path: Path, case: Case, runs: int) -> tuple[tuple[str, ...], list[Figure]]:
    """A row of the table: texts a second of CPU; and the figures of the row."""
    tokenizer: Any = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    whole, new, known, tokens = Whole(tokenizer), Pieces(tokenizer), Pieces(tokenizer), Tokens(path)

    def run(way: Callable[[Sequence[str]], object], calls: Iterator[list[Sequence[str]]]) -> None:
        new.forget()  # of the other candidates' runs, too: it costs nothing
        for texts in next(calls):
            way(texts)

    ways: dict[str, Callable[[Sequence[str]], object]] = {
        "whole": whole,
        "none known": new,
        "known": known,
        "padded": partial(padded, tokens),
    }
    taken = race(runs, {name: partial(run, way, case.calls()) for name, way in ways.items()}, warm_up=True)
    count, texts = len(case.slices[0]), case.slices[0][:CALL]
    faster = speed(taken, "known", "whole", by_cpu=True, name=f"pieces / whole texts, {case.name}")
    rates = [f"{count / median(each).cpu:,.0f}" for each in taken.values()]
    row = (case.name, f"{whole(texts).lengths.mean():.0f}", *rates, f"{faster.value:.0f}")
    batched = [count / took.cpu for took in taken["padded"]]
    name = f"from texts to padded batches, {case.name}"
    return row, [faster, middle(name, batched, "texts/s and core", 60_000)]


def rate(path: Path, case: Case) -> float:
    """Texts a second of a worker with a memory of its own, by the wall clock."""
    tokens, calls = Tokens(path), case.calls()
    for texts in next(calls):
        padded(tokens, texts)
    begun = time.perf_counter()
    for texts in chain.from_iterable(islice(calls, ROUNDS)):
        padded(tokens, texts)
    return ROUNDS * len(case.slices[0]) / (time.perf_counter() - begun)


def several_cores(path: Path, case: Case) -> Iterator[tuple[str, ...]]:
    """Rows of the table: the sum of the workers' rates."""
    one: dict[str, float] = {}
    most = len(os.sched_getaffinity(0))
    for workers in (count for count in (1, 2, 4, 8, 16) if count <= most):
        pools: dict[str, Executor] = {
            "processes": ProcessPoolExecutor(workers, get_context("spawn")),
            "threads": ThreadPoolExecutor(workers),
        }
        found = []
        for name, pool in pools.items():
            with pool:
                total = sum(pool.map(rate, [path] * workers, [case] * workers))
            found += [f"{total:,.0f}", f"{total / one.setdefault(name, total):.2f}"]
        yield (str(workers), *found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokens")
    parser.add_argument(
        "--tokenizer",
        type=Path,
        default=Layout(ROOT / "model_repo").tokenizer,
        help="a tokenizer.json; default: that of the exported model",
    )
    parser.add_argument("--runs", type=int, default=7, help="runs of each candidate; default: %(default)s")
    parser.add_argument("--texts", type=int, default=8192, help="generated texts a run; default: %(default)s")
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"  # what the tokenizers library reads
    found = cases(Tokenizer.from_file(str(arguments.tokenizer)), arguments.runs, arguments.texts)
    measured = [one_core(arguments.tokenizer, each, arguments.runs) for each in found]
    table("On one core, texts a second of CPU", HEADS, [row for row, _ in measured])
    heads = ("workers", "processes, texts/s", "to one", "threads, texts/s", "to one")
    rows = several_cores(arguments.tokenizer, found[0])
    table(f"On several cores, padded batches, {found[0].name}", heads, [*rows])
    report([figure for _, figures in measured for figure in figures])


if __name__ == "__main__":
    main()
