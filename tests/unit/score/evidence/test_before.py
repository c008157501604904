"""The events that came before an event."""

import numpy as np
import pytest

from dataflow.score.evidence.before import Before
from dataflow.score.evidence.beside import Beside, compare
from dataflow.score.evidence.features import Features
from tests.support.evidence import MINUTE, Text, candidates, options
from tests.support.plain import stored


def features(*texts: int, minute: int = 0) -> Features:
    """Events of one minute, in their order."""
    events = [Text(f"{i:03}", "a", minute * MINUTE + i, text) for i, text in enumerate(texts)]
    return candidates(0, events, options()).events


def test_two_groups_of_members_are_as_good_as_all_together() -> None:
    rng = np.random.default_rng(0)
    events, one, other = (features(*rng.integers(6, size=20).tolist(), minute=n) for n in range(3))

    def beside(members: Features) -> Beside:
        return compare(events, members, neighbours=5, columns=("novelty", "surge", "rarity"), is_apart=False)

    both, together = beside(one).together(beside(other)), beside(Features.concat([one, other]))
    for found, expected in zip(both.columns(), together.columns(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_is_not_suspect_is_old_when_a_window_has_ended() -> None:
    events = features(1, 2, 3, 4)
    before = Before.nothing(events).then(events, np.array([False, False, True, False]))
    assert (len(before), len(before.old)) == (4, 0)
    later = Before.of_state(stored(before.since(int(events.ts[1])).snapshot()))
    assert later.events.ts.tolist() == events.ts[1:].tolist()
    assert later.suspect.tolist() == [False, True, False]
    assert later.old.ts.tolist() == events.ts[[1, 3]].tolist()
    assert later.then(events, np.ones(4, np.bool_)).old.ts.tolist() == events.ts[[1, 3]].tolist()


@pytest.mark.parametrize("reads_near", [True, False])
def test_an_event_is_beside_those_of_its_window_that_came_before(reads_near: bool) -> None:
    old, events = features(7, 7), features(7, 7, 8, minute=1)
    before = Before.nothing(old).then(old, np.zeros(2, np.bool_))
    found = before.beside(events, 3, reads_near=reads_near)
    assert found.alike.tolist() == [1, 2, 1]
    assert found.sizes.tolist() == [3, 3, 3]
    assert found.near.others.tolist() == ([2, 2, 2] if reads_near else [0, 0, 0])
    if reads_near:
        assert (found.near.squares[:, 0] == 0).tolist() == [False, True, False]
