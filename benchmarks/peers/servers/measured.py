"""The texts that encoders get, what is measured of them, and the figures."""

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.kit.figures import Figure, middle, ratio
from benchmarks.peers.servers.encoders import Encoder, Vectors
from benchmarks.peers.servers.lineup import SIDECAR
from export.convert.parity import TOLERANCE

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
