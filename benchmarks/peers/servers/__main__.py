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
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from benchmarks.kit.corpus import short_texts
from benchmarks.kit.figures import Figure, not_measured, report
from benchmarks.kit.measure import table
from benchmarks.peers.environments import versions
from benchmarks.peers.servers.encoders import Vectors
from benchmarks.peers.servers.lineup import Class, fp32, near
from benchmarks.peers.servers.measured import (
    REFERENCE,
    Measured,
    figures_of,
    new_share,
    one_by_one,
    race,
    repeating,
)
from export.errors import ExportError


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
            not_measured(arguments.precision, error)
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


def _versions() -> dict[str, str]:
    backends = versions("sentence-transformers", "sentence-transformers", "optimum-onnx", "openvino")
    named = {"sentence-transformers, as a peer": backends.pop("sentence-transformers")}
    servers = versions("infinity", "infinity-emb") | versions("litserve", "litserve")
    return named | backends | servers | versions("fastembed", "fastembed")


if __name__ == "__main__":
    main()
