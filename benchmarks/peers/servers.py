"""``python -m benchmarks.peers.servers``: Driftline's sidecar beside servers and libraries of embeddings.

All get the same texts, in turns: all different, and repeated as lines of a log are. Servers get requests of
one size, so many at a time; libraries get the texts in one call. Encoders are compared with those of the same
class: fp32, or less.

    --classes fp32 near   which; default: both
    --texts 1024          texts of one measurement
    --rounds 3            the encoders take turns
    --alone 200           texts that are embedded one by one, for the latency
"""

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from benchmarks.kit.corpus import short_texts
from benchmarks.kit.figures import Figure, middle, ratio, report
from benchmarks.kit.measure import table
from benchmarks.peers.encoders import Encoder, Vectors
from benchmarks.peers.environments import versions
from benchmarks.peers.lineup import SIDECAR, Class, fp32, near
from export.convert.parity import TOLERANCE
from export.errors import ExportError

#: The encoder whose embeddings in fp32 are the reference.
REFERENCE = "sentence-transformers"
#: Texts of a repeated stream for each different one. A log of sshd has 2.7.
REPEATS = 3
#: Threads of ONNX Runtime and OpenMP spin for a moment when their work is done.
_PAUSE_S = 0.3


@dataclass
class Measured:
    """Of one encoder. ``seconds``, ``cpu_s``: of each round. ``alone_s``: of each text that was alone."""

    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    alone_s: list[float] = field(default_factory=list)
    bytes: int = 0
    difference: float = float("nan")


def repeated(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` texts drawn from ``texts``: the first most often, the n-th an n-th as often (Zipf's law).

    Each comes at least once if ``count`` allows.
    """
    draw = random.Random(seed)
    most = list(texts[:count])
    weights = [1 / rank for rank in range(1, len(most) + 1)]
    found = most + draw.choices(most, weights, k=count - len(most))
    draw.shuffle(found)
    return found


def repeating(rounds: Sequence[Sequence[str]]) -> list[list[str]]:
    """As many rounds with as many texts: one stream in which texts repeat, within a round and from round to
    round.
    """
    texts = [text for each in rounds for text in each]
    stream = repeated(texts[: max(1, len(texts) // REPEATS)], len(texts), seed=0)
    ends = list(itertools.accumulate(map(len, rounds)))
    return [stream[end - len(each) : end] for end, each in zip(ends, rounds, strict=True)]


def new_share(rounds: Sequence[Sequence[str]]) -> float:
    """The share of the texts after the first round that did not come before, 0 to 1."""
    known = set(rounds[0])
    later = [text for each in rounds[1:] for text in each]
    return len(set(later) - known) / len(later)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.servers")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", choices=["all-MiniLM-L6-v2"])
    parser.add_argument("--classes", nargs="+", choices=["fp32", "near"], default=["fp32", "near"])
    parser.add_argument("--precision", default="bf16", choices=["bf16", "int8"], help="of the class near")
    parser.add_argument("--texts", type=int, default=1024, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--alone", type=int, default=200, help="default: %(default)s")
    arguments = parser.parse_args()
    # Each round has texts of its own, so that nothing is remembered but what repeats within it.
    texts = short_texts((arguments.rounds + 1) * arguments.texts + arguments.alone)
    rounds = [texts[i * arguments.texts :][: arguments.texts] for i in range(arguments.rounds + 1)]
    alone = texts[-arguments.alone :]
    found: list[Figure] = []
    reference: Vectors | None = None
    if "fp32" in arguments.classes:
        figures, reference = compare("fp32", fp32(arguments.model), rounds, alone, None)
        found += figures
    if "near" in arguments.classes:
        try:
            found += compare(
                arguments.precision, near(arguments.model, arguments.precision), rounds, alone, reference
            )[0]
        except ExportError as error:
            print(f"{arguments.precision} is not measured: {error}")
    report(found, _versions())


def compare(
    name: str, these: Class, rounds: Sequence[Sequence[str]], alone: Sequence[str], reference: Vectors | None
) -> tuple[list[Figure], Vectors | None]:
    """The figures of a class, and the embeddings of ``alone`` by the reference. Prints two tables.

    The first of ``rounds`` warms up.
    """
    again = repeating(rounds)
    with ExitStack() as stack:
        encoders = {each: stack.enter_context(opened()) for each, opened in these.encoders.items()}
        different = race(encoders, rounds)
        vectors = one_by_one(encoders, alone, different)
        reference = vectors.get(REFERENCE, reference)
        for each, found in vectors.items():
            if reference is not None:
                different[each].difference = float(np.abs(found - reference).max())
        cached = {
            f"{each}, its cache": stack.enter_context(opened()) for each, opened in these.cached.items()
        }
        repeats = race(encoders | cached, again)
    _print(name, different, repeats, len(rounds[0]), new_share(again))
    return figures_of(name, different, repeats), reference


def race(encoders: Mapping[str, Encoder], rounds: Sequence[Sequence[str]]) -> dict[str, Measured]:
    """Each encoder embeds the texts of each round; the first round is not counted."""
    measured = {name: Measured() for name in encoders}
    for number, texts in enumerate(rounds):
        for name, encoder in encoders.items():
            answer = encoder.embed(texts)
            if number:
                measured[name].seconds += answer.seconds
                measured[name].cpu_s.append(answer.cpu_s)
            time.sleep(_PAUSE_S)
    for name, encoder in encoders.items():
        measured[name].bytes = encoder.bytes
    return measured


def one_by_one(
    encoders: Mapping[str, Encoder], texts: Sequence[str], measured: Mapping[str, Measured]
) -> dict[str, Vectors]:
    """Fills in the latencies, and returns what each encoder says of ``texts``."""
    found: dict[str, Vectors] = {}
    for name, encoder in encoders.items():
        encoder.embed(texts[:10], alone=True)
        answer = encoder.embed(texts, alone=True)
        measured[name].alone_s += answer.seconds
        found[name] = answer.vectors
        time.sleep(_PAUSE_S)
    return found


def _print(
    name: str,
    different: Mapping[str, Measured],
    repeats: Mapping[str, Measured],
    texts: int,
    new: float,
) -> None:
    heads = (
        "",
        "texts/s",
        "CPU ms a text",
        "one text, ms: median",
        "p99",
        "memory, MB",
        "largest difference",
    )
    rows = [
        (
            each,
            f"{texts / statistics.median(found.seconds):.0f}",
            f"{statistics.median(found.cpu_s) / texts * 1e3:.2f}",
            f"{statistics.median(found.alone_s) * 1e3:.1f}",
            f"{np.quantile(found.alone_s, 0.99) * 1e3:.1f}",
            f"{found.bytes / 1e6:.0f}",
            "" if np.isnan(found.difference) else f"{found.difference:.1e}",
        )
        for each, found in different.items()
    ]
    table(f"{name}: {texts} different texts, {_rounds(different)} rounds", heads, rows)
    again = [
        (
            each,
            f"{texts / statistics.median(found.seconds):.0f}",
            f"{statistics.median(found.cpu_s) / texts * 1e3:.2f}",
        )
        for each, found in repeats.items()
    ]
    table(f"{name}: {texts} texts, {new:.0%} of them new", heads[:3], again)


def _rounds(measured: Mapping[str, Measured]) -> int:
    return len(next(iter(measured.values())).seconds)


def figures_of(name: str, different: Mapping[str, Measured], repeats: Mapping[str, Measured]) -> list[Figure]:
    figures = [
        ratio(f"{name}: {SIDECAR} / {other}, texts/s", found.seconds, different[SIDECAR].seconds)
        for other, found in different.items()
        if other != SIDECAR
    ]
    best = f"{SIDECAR}, its cache" if f"{SIDECAR}, its cache" in repeats else SIDECAR
    figures += [
        ratio(f"{name}, repeated texts: {best} / {other}, texts/s", found.seconds, repeats[best].seconds)
        for other, found in repeats.items()
        if not other.startswith(SIDECAR)
    ]
    difference = different[SIDECAR].difference
    if name == "fp32":
        title = f"fp32: {SIDECAR} and {REFERENCE}, largest difference of a component"
        figures.append(middle(title, [difference], goal=TOLERANCE, at_most=True))
    return figures


def _versions() -> dict[str, str]:
    backends = versions("sentence-transformers", "sentence-transformers", "optimum-onnx", "openvino")
    named = {"sentence-transformers, as a peer": backends.pop("sentence-transformers")}
    servers = versions("infinity", "infinity-emb") | versions("litserve", "litserve")
    return named | backends | servers | versions("fastembed", "fastembed")


if __name__ == "__main__":
    main()
