"""What the step ``compare`` knows of events that were embedded again, after a restart too."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dataflow.score.evidence.again import UNKNOWN, on_shelf
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.messages import Recalled
from dataflow.score.evidence.near import FAR, Near
from dataflow.score.evidence.recalls import Recalls, Sampled
from dataflow.score.evidence.references import References
from dataflow.settings import Score
from tests.support.evidence import MINUTE, candidates, options, stream


def events_of(minutes: int) -> Features:
    """Events of the key ``a``, eight in each minute, as they are right after they are embedded again."""
    each = [candidates(0, texts, options()).events for texts in stream(1, minutes, keys="a", rate=8)]
    events = Features.concat(each)
    near = Near(np.full_like(events.near.squares, FAR), np.full(len(events), UNKNOWN))
    return replace(events, near=near)


def recalled(recalls: Recalls, events: Features) -> Sampled:
    keys, models = pa.repeat("a", len(events)), pa.repeat("m", len(events))
    recalls.add(Recalled(0, 0, [on_shelf(events, keys, models)]))
    found = recalls.take(0, "m")
    assert found is not None
    return found


def entered(score: Score, found: Sampled) -> References:
    references, rows = References(score, None), np.arange(len(found.events))
    references.enter(found.keys, found.bounds, rows, found.events, found.released, "m")
    return references


@pytest.mark.parametrize("least", [10, 100], ids=["a reference", "few events"])
def test_a_restart_knows_what_was_near_even_if_the_sample_has_other_events_now(least: int) -> None:
    score = options(reference_least=least)
    every = events_of(3)
    is_first = every.ts < MINUTE
    # One event of the first window has not left another window yet, or has left the sample.
    before = every.take(np.flatnonzero(is_first)[1:])
    recalls = Recalls(score, None)
    found = recalled(recalls, Features.concat([before, every.take(~is_first)]))
    references = entered(score, found)
    assert len(references.large) == (least == 10)
    state = recalls.snapshot(references)

    again = recalled(Recalls(score, state), every)
    anew = recalled(Recalls(score, None), every)
    assert (anew.events.near.others != UNKNOWN).all()
    known = dict(zip(found.events.priority, found.events.near.others, strict=True))
    expected = [known.get(priority, UNKNOWN) for priority in again.events.priority]
    assert again.events.near.others.tolist() == expected
    assert again.events.near.others.tolist() != anew.events.near.others.tolist()


@pytest.mark.parametrize("least", [10, 100], ids=["a reference", "few events"])
def test_what_is_near_the_events_of_a_key_that_is_forgotten_is_not_kept(least: int) -> None:
    score = options(reference_least=least)
    recalls = Recalls(score, None)
    references = entered(score, recalled(recalls, events_of(3)))
    assert recalls.snapshot(references)["near"]
    references.enter(["b"], [0, 1], np.arange(1), events_of(1), np.zeros(8, np.int64), "m")
    references.shrink({"a": -np.inf})
    assert not recalls.snapshot(references)["near"]
