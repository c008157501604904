"""Marks change the same alerts live and on each replay, and what they change is what they say."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.clock import rfc3339
from dataflow.items.judged import Judged, Passed
from dataflow.settings import Alert, duration
from tests.support.alert_messages import Message, interleaved, messages, run, streams
from tests.support.judged import MINUTE
from tests.support.marks import line, marks

#: Minute, key, anomaly in each of two windows, angle.
Event = tuple[int, int, float, float, float]


class Said(NamedTuple):
    """A mark. Times are minutes."""

    mark: str
    angle: float
    key: str | None
    ts: int
    until: int | None
    id: str | None

    def line(self) -> str:
        until = None if self.until is None else rfc3339((self.ts + self.until) * MINUTE)
        text = None if self.mark == "none" else str(self.angle)
        return line(self.mark, text, rfc3339(self.ts * MINUTE), key=self.key, until=until, id=self.id)


angles = st.sampled_from([0.0, 20.0, 40.0, 80.0])
people = st.lists(
    st.builds(
        Said,
        st.sampled_from(["expected", "expected", "real", "none"]),
        angles,
        st.sampled_from([None, "k0", "k1"]),
        st.integers(1, 14),
        st.sampled_from([None, 3]),
        st.sampled_from(["x", "y", "z"]),
    ),
    max_size=8,
)


@pytest.mark.parametrize("budget", ["300/d", "5000/d"])
@given(events=streams, said=people, seed=st.integers(0, 2**32))
def test_a_replay_decides_as_the_live_stream_did(
    budget: str, events: list[Event], said: list[Said], seed: int
) -> None:
    """Live, a mark is there when the first group comes to its time, and the process restarts."""
    options = Alert(budget=budget, history=duration("0s"), radius=0.5)
    parts, rng = messages(events), random.Random(seed)
    said = sorted(said, key=lambda mark: mark.ts)
    with TemporaryDirectory() as folder:
        path, waiting = Path(folder, "marks.jsonl"), list(said)
        path.touch()

        def write(message: Message) -> None:
            now = message[1].watermark if isinstance(message[1], Passed) else 0
            with path.open("a") as file:
                while waiting and waiting[0].ts * MINUTE <= now:
                    file.write(waiting.pop(0).line())

        shuffled = interleaved(parts, rng)
        cuts = rng.sample(range(len(shuffled)), 5)
        live = run(options, shuffled, cuts, lambda: marks(path), write)
        replayed = run(options, [message for part in parts for message in part], (), lambda: marks(path))
    assert json.dumps(live) == json.dumps(replayed)


#: The most unusual event of k0 is expected, and another one of k0 is less unusual than the event of k1.
OTHER_KEY_FIRST = [
    *[(0, 0, 0.0, 0.0, 0.0)] * 18,
    (0, 0, 0.0, 2.0, 40.0),
    (0, 0, 0.0, 3.0, 0.0),
    (0, 1, 0.0, 3.0, 40.0),
]


@example(events=OTHER_KEY_FIRST, angle=0.0, until=3, is_taken_back=False)
@given(events=streams, angle=angles, until=st.integers(1, 16), is_taken_back=st.booleans())
def test_a_mark_leaves_out_what_resembles_it_while_it_counts(
    events: list[Event], angle: float, until: int, is_taken_back: bool
) -> None:
    """The alerts are those of a stream in which nothing that resembles the mark stands out meanwhile."""
    options = Alert(alpha=0.01, history=duration("0s"), radius=0.8)
    said = [Said("expected", angle, None, 0, None if is_taken_back else until, "x")]
    said += [Said("none", angle, None, until, None, "x")] if is_taken_back else []
    every = [message for part in messages(events) for message in part]
    with TemporaryDirectory() as folder:
        path = Path(folder, "marks.jsonl")
        path.write_text("".join(mark.line() for mark in said))
        found = run(options, every, (), lambda: marks(path, radius=0.8))
    ids = near(events, angle)
    assert found == run(options, [without(message, ids, until * MINUTE) for message in every])


def near(events: Sequence[Event], angle: float) -> set[str]:
    """The ids of the events that resemble a mark: half of the radius is 23 degrees."""
    return {f"e{number}" for number, event in enumerate(events) if abs(event[-1] - angle) <= 23}


def without(message: Message, ids: set[str], until: int) -> Message:
    """The message, without the events ``ids`` in windows that end before ``until``."""
    group, said = message
    if not isinstance(said, Judged):
        return message
    is_out = np.array([id in ids for id in said.events.column("id").to_pylist()], np.bool_)
    stays = ~(is_out & (said.ends[said.windows] < until))
    events = said.events.filter(pa.array(stays, pa.bool_()))
    return group, replace(said, events=events, windows=said.windows[stays], vectors=said.vectors[stays])
