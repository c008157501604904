"""The texts that inference is measured with."""

import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.kit.figures import not_measured

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


def is_here(*paths: Path, what: str = "the whole benchmark") -> bool:
    """Whether all ``paths`` exist. If not, it says that ``what`` is not measured."""
    absent = [path for path in paths if not path.exists()]
    if absent:
        not_measured(what, f"{os.path.relpath(absent[0], ROOT)} does not exist")
    return not absent


def short_texts(count: int) -> list[str]:
    """Different texts, shuffled: SMS, sshd and BlueGene lines where they are here, else the examples."""
    real = is_here(SHARED, what="texts of real streams; those of examples/payments.jsonl take their place")
    files = sorted(SHARED.glob("*.jsonl")) if real else [ROOT / "examples" / "payments.jsonl"]
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    texts = list(dict.fromkeys(record.get("text") or record["message"] for record in records))
    random.Random(0).shuffle(texts)
    return [text if turn == 0 else f"{text} {turn}" for turn, text in _turns(texts, count)]


def _turns(texts: Sequence[str], count: int) -> Iterator[tuple[int, str]]:
    """``texts`` over and over, each with the number of its turn, which makes the repeated texts different."""
    return itertools.islice(((turn, text) for turn in itertools.count() for text in texts), count)


def long_texts(count: int) -> list[str]:
    """Each joins 1 to 16 short texts."""
    draw, texts = random.Random(1), short_texts(2000)
    return [" ".join(draw.sample(texts, draw.choice([1, 2, 4, 8, 16]))) for _ in range(count)]
