"""Streams of texts with labels, and how the flow reads them."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.kit.corpus import SHARED
from dataflow.decode.masking import masked, patterns_of
from dataflow.settings import Settings, load

#: Makes labelled streams of SMS.
STREAMS = SHARED.parent / "quality" / "streams.py"
#: All streams are read so.
FLOW = {"DRIFTLINE_SOURCE__ID_FIELD": "id", "DRIFTLINE_SCORE__REFERENCE": "true"}
LOGS = {"DRIFTLINE_PROFILE": "logs"}
#: The first events of a log fill the reference and do not count, like the first events of a stream of SMS.
HISTORY = 200
#: A statement that wrote a line at most so often makes the line an anomaly of a log without labels.
RARE = 4
#: What masks leave in the lines of sshd: the names of users and of hosts. Regular expression -> replacement.
NAMES = {
    r"(nvalid user) .*?(?= from | \[preauth|$)": r"\1 <user>",
    r"(for(?: user)?) (?!invalid )[^ ]+(?= from | by | \[|$)": r"\1 <user>",
    r"(user)=[^ ]+": r"\1=<user>",
    r"(getaddrinfo for |rhost=)[^ ]+": r"\1<host>",
}


class Event(NamedTuple):
    """A line of a stream, and whether it is an anomaly; ``None``: it does not count."""

    line: dict[str, Any]
    label: bool | None


class Case(NamedTuple):
    """A stream of labelled events, and how the flow reads it.

    ``name``: streams with the same name differ in their seed. ``offline``: whether libraries can say the same
    offline, in reasonable time. ``pinned``: lines with known-good texts.
    """

    name: str
    events: Sequence[Event]
    environ: Mapping[str, str]
    offline: bool = False
    pinned: Sequence[Mapping[str, Any]] = ()


def sms(kind: str, share: float, seed: int) -> list[Event]:
    """A stream of SMS with spam, see ``streams.py``."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "stream.jsonl")
        command = [sys.executable, str(STREAMS), kind, str(share), str(seed), str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [Event(line, bool(line["label"]) if line["test"] else None) for line in lines]


def log(name: str) -> list[Event]:
    """The lines of a log; their label says whether they are anomalies."""
    lines = [json.loads(line) for line in (SHARED / f"{name}.jsonl").read_text().splitlines()]
    return [Event(line, bool(line.get("label"))) for line in lines]


def cases(seeds: int) -> Iterator[Case]:
    """All streams; those of SMS with each of ``seeds`` seeds."""
    for kind, share in (("burst", 0.13), ("burst", 0.05), ("scatter", 0.03)):
        for seed in range(seeds):
            yield Case(f"sms {kind} {share:.0%}", sms(kind, share, seed), {}, offline=True)
    week = {"DRIFTLINE_WINDOW__LENGTH": "7d", "DRIFTLINE_WINDOW__SLIDE": "84h"}
    bgl, openssh = (_after_history(events) for events in (log("bgl"), rare(log("openssh"))))
    # Offline, the window does not count.
    alone = {"DRIFTLINE_SCORE__NOVELTY_WINDOW": "false"}
    yield Case("bgl, windows of 7 d", bgl, LOGS | week)
    yield Case("bgl, windows of 7 d, reference alone", bgl, LOGS | week | alone, offline=True)
    yield Case("bgl, windows of 10 min", bgl, LOGS)
    yield Case("openssh, windows of 10 min", openssh, LOGS)
    yield from pinned_cases(seeds)


def pinned_cases(seeds: int) -> Iterator[Case]:
    """Streams with anomalies from the start on. The pinned texts are normal, and not in the stream."""
    for seed in range(seeds):
        events = sms("scatter", 0.13, seed)
        history = [event.line for event in events if event.label is None]
        stream = [event for event in events if event.label is not None]
        yield Case("sms dirty 13%, pinned", stream, {}, pinned=history)
    events = log("bgl")
    normal = [i for i, event in enumerate(events) if not event.label]
    half = set(np.random.default_rng(0).permutation(normal)[: len(normal) // 2].tolist())
    rest = [event for i, event in enumerate(events) if i not in half]
    good = [events[i].line for i in sorted(half)]
    # A pinned line is known to be good, so one like it is enough.
    nearest = LOGS | {"DRIFTLINE_SCORE__NOVELTY_NEIGHBOURS": "1", "DRIFTLINE_SCORE__NOVELTY_WINDOW": "false"}
    yield Case("bgl, half of the normal lines pinned", rest, nearest, pinned=good)


def rare(events: Sequence[Event]) -> list[Event]:
    """The events of a log of sshd: lines of a statement that wrote few lines are anomalies."""
    forms = embedded_texts(events, load(LOGS))
    for regex, replacement in NAMES.items():
        forms = [re.sub(regex, replacement, form) for form in forms]
    counts = Counter(forms)
    return [Event(event.line, counts[form] <= RARE) for form, event in zip(forms, events, strict=True)]


def _after_history(events: Sequence[Event]) -> list[Event]:
    return [Event(event.line, None if i < HISTORY else event.label) for i, event in enumerate(events)]


def embedded_texts(events: Sequence[Event], settings: Settings) -> list[str]:
    """The texts that the flow embeds: masked, if it masks."""
    texts = pa.array([event.line["text"] for event in events])
    found: list[str] = pc.coalesce(masked(texts, patterns_of(settings.source.mask)), texts).to_pylist()
    return found
