"""Streams of a simulated week: real lines, drawn again and again."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.kit.corpus import SHARED
from benchmarks.kit.labelled import Event
from dataflow.clock import rfc3339

START_US = 1_767_225_600_000_000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
#: One event in so many seconds: windows of ten minutes have 25 events.
PACE_S = 24
#: So many lines of a log stay together.
BLOCK = 50


def prose() -> tuple[list[str], list[str]]:
    """SMS without spam, and spam."""
    lines = [json.loads(line) for line in (SHARED / "sms.jsonl").read_text().splitlines()]
    ham, spam = ([line["text"] for line in lines if bool(line["label"]) == wanted] for wanted in (0, 1))
    return ham, spam


def log_lines(name: str) -> list[str]:
    """The texts of a log in their order."""
    return [json.loads(line)["text"] for line in (SHARED / f"{name}.jsonl").read_text().splitlines()]


def resampled(texts: Sequence[str], n: int, rng: np.random.Generator, block: int = 1) -> list[str]:
    """``n`` texts: blocks of ``block`` texts that follow each other in ``texts``, drawn with replacement."""
    starts = rng.integers(len(texts) - block + 1, size=-(-n // block))
    return [texts[at] for start in starts.tolist() for at in range(start, start + block)][:n]


def changed(texts: Sequence[str], topic: Sequence[str], share: float, rng: np.random.Generator) -> list[str]:
    """``texts``, from the part ``share`` on with a text of ``topic`` in the place of every other one."""
    first = int(len(texts) * share)
    drawn = resampled(topic, len(texts), rng)
    return [
        new if i >= first and i % 2 else old for i, (old, new) in enumerate(zip(texts, drawn, strict=True))
    ]


def keys(n: int, count: int, rng: np.random.Generator) -> list[str]:
    """The keys of ``n`` events: the key at rank r has a traffic of 1 / r (Zipf)."""
    traffic = 1 / np.arange(1, count + 1)
    return [f"k{key}" for key in rng.choice(count, n, p=traffic / traffic.sum()).tolist()]


def events(
    texts: Sequence[str],
    rng: np.random.Generator,
    *,
    pace_s: float = PACE_S,
    of_keys: Sequence[str] | None = None,
) -> list[Event]:
    """Events at random times, one in ``pace_s`` seconds on average."""
    ts = np.sort(rng.uniform(0, len(texts) * pace_s * 1e6, len(texts))).astype(np.int64) + START_US
    found = []
    for i, (at, text) in enumerate(zip(ts.tolist(), texts, strict=True)):
        line: dict[str, Any] = {"id": f"e{i:06d}", "ts": rfc3339(at, "ms"), "text": text}
        found.append(Event(line if of_keys is None else line | {"key": of_keys[i]}, None))
    return found


def flooded(stream: Sequence[Event], text: str, count: int, at_us: int) -> list[Event]:
    """``stream``, and ``count`` events with the same text within the five minutes from ``at_us`` on. The
    text is an anomaly.
    """
    step = 300_000_000 // count
    found = [
        Event({"id": f"flood{i:06d}", "ts": rfc3339(at_us + i * step, "ms"), "text": text}, True)
        for i in range(count)
    ]
    return sorted([*stream, *found], key=lambda event: event.line["ts"])
