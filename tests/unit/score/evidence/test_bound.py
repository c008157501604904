"""The references of a key group stay within their share of memory, and what is removed never comes back."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.items.hashes import hashes
from dataflow.score.evidence.bound import ENOUGH, EVENT_BYTES, KEY_BYTES
from dataflow.score.evidence.candidates import no_candidates
from dataflow.score.evidence.members import priorities
from dataflow.settings import Score
from tests.support.evidence import MINUTE, Group, Text, candidates, options

MINUTES = 16
ROWS, LEAST = 100, 10
#: The bytes of an event with 8 dimensions, 16 near events and a text of 7 characters.
EVENT = 2 * (2 * 8 + 4 * 16 + 7) + EVENT_BYTES
HALF_LIFE = "5m"


def score(**fields: object) -> Score:
    few = {"reference_rows": ROWS, "reference_least": LEAST, "half_life": HALF_LIFE}
    return options(**(few | fields))


def changing(seed: int) -> list[list[Text]]:
    """The events of windows with other keys in each of them."""
    rng = np.random.default_rng(seed)
    return [
        [
            Text(f"{minute}-{key}-{i}", key, minute * MINUTE + int(rng.integers(MINUTE)), 10 + i % 20)
            for key in rng.choice(list("abcdef"), 2, replace=False)
            for i in range(int(rng.integers(1, 40)))
        ]
        for minute in range(MINUTES)
    ]


class Plain:
    """The rule, word by word. ``samples``: by key, the priorities of the events, ascending."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.samples: dict[str, list[float]] = {}
        self.caps: dict[str, float] = {}
        self.used: dict[str, int] = {}
        self.forgotten = 0

    def bytes(self, key: str) -> int:
        return KEY_BYTES + EVENT * len(self.samples[key])

    @property
    def total(self) -> int:
        return sum(map(self.bytes, self.samples))

    def take(self, number: int, texts: list[Text]) -> None:
        ids = hashes(pa.array([text.id for text in texts]))
        found = priorities(ids, np.array([text.ts for text in texts]), 5 * MINUTE).tolist()
        for key in {text.key for text in texts}:
            mine = [at for at, text in zip(found, texts, strict=True) if text.key == key]
            mine = [at for at in mine if at <= self.caps.get(key, np.inf)]
            self.samples[key] = sorted(self.samples.get(key, []) + mine)[:ROWS]
            self.used[key] = number
        if self.total <= self.most:
            return
        while self.total > ENOUGH * self.most:
            for key in sorted(self.samples, key=lambda key: (self.used[key], -self.bytes(key), key)):
                if self.total > ENOUGH * self.most:
                    self.shrink(key)

    def shrink(self, key: str) -> None:
        half = self.samples[key][: len(self.samples[key]) // 2]
        if len(half) < LEAST:
            del self.samples[key]
            self.caps.pop(key, None)
            self.forgotten += 1
        else:
            self.samples[key], self.caps[key] = half, half[-1]


def held(group: Group) -> dict[str, list[float]]:
    """The priorities of the sampled events, ascending, as the step ``compare`` has them."""
    return {key: sorted(events.priority.tolist()) for key, (events, _) in group.sampled().items()}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(20, 200), st.sets(st.integers(0, MINUTES - 1)))
def test_references_are_what_the_rule_says(seed: int, events: int, crashes: set[int]) -> None:
    most = 3 * KEY_BYTES + events * EVENT
    group, plain = Group(score(), most_bytes=most), Plain(most)
    for number, texts in enumerate(changing(seed)):
        group.take(candidates(number, texts, score()))
        plain.take(number, texts)
        assert group.samples.bytes == plain.total <= most
        if number in crashes:
            group.crash()
        else:
            found = held(group)
            assert {key: priority[:ROWS] for key, priority in found.items()} == plain.samples


def test_a_restart_after_each_emission_changes_no_row() -> None:
    most = 3 * KEY_BYTES + 160 * EVENT
    once, restarted, plain = Group(score(), most_bytes=most), Group(score(), most_bytes=most), Plain(most)
    for number, texts in enumerate(changing(1)):
        made = candidates(number, texts, score())
        once.take(made)
        restarted.take(made)
        restarted.crash()
        plain.take(number, texts)
    assert plain.forgotten
    assert plain.caps
    assert any(row["anomaly"] is not None for row in once.rows)
    assert restarted.rows == once.rows


def sizes(group: Group) -> dict[str, int]:
    return {key: len(priority) for key, priority in held(group).items()}


def minute(number: int, key: str, events: int, name: str = "") -> list[Text]:
    return [Text(f"{number}{key}{name}{i}", key, number * MINUTE + i, 10 + i % 20) for i in range(events)]


def test_an_event_that_was_removed_never_comes_back() -> None:
    """A forgotten key has no cap. So its old events, some of which left its sample long before, must be gone
    from the shelves before it comes again.
    """
    group = Group(score(), most_bytes=2 * KEY_BYTES + 210 * EVENT)
    # The events of "old" stay on several shelves, more of them than are sampled.
    for number in range(3):
        group.take(candidates(number, minute(number, "old", 60), score()))
        group.samples._shelf += 1
    assert group.held("key").count("old") > ROWS
    for number in range(3, 13):
        group.take(candidates(number, minute(number, f"new {number}", 90), score()))
    assert "old" not in group.held("key")
    group.crash()
    group.take(candidates(13, minute(13, "old", 20), score()))
    group.crash()
    group.take(candidates(14, minute(14, "old", 1), score()))
    assert len(held(group)["old"]) == 21


def test_a_key_that_shrank_takes_only_events_below_its_cap() -> None:
    group = Group(score(half_life="1d"), most_bytes=KEY_BYTES + 60 * EVENT)
    group.take(candidates(0, minute(0, "a", 80), score(half_life="1d")))
    cap = group.samples._keys["a"].cap
    assert len(group.samples) == 40
    later = candidates(1, minute(1, "a", 30), score(half_life="1d"))
    below = int(np.count_nonzero(later.events.priority <= cap))
    assert 0 < below < 20
    group.take(later)
    group.crash()
    group.take(no_candidates(2, 8, score()))
    assert group.samples._keys["a"].cap == cap
    assert len(held(group)["a"]) == 40 + below


def test_keys_that_were_not_used_for_longest_shrink_first() -> None:
    group = Group(score(), most_bytes=4 * KEY_BYTES + 170 * EVENT)
    for number, (key, events) in enumerate([("b", 40), ("a", 40), ("c", 40), ("b", 1), ("d", 50)]):
        group.take(candidates(number, minute(number, key, events), score()))
    # 171 events are one too many. "b" came again after "a" and "c", whose halves are enough.
    assert sizes(group) == {"a": 20, "c": 20, "b": 41, "d": 50}


def test_of_keys_that_were_used_together_the_largest_shrinks_first() -> None:
    group = Group(score(), most_bytes=3 * KEY_BYTES + 100 * EVENT)
    texts = [text for key, events in (("a", 30), ("b", 50), ("c", 30)) for text in minute(0, key, events)]
    group.take(candidates(0, texts, score()))
    assert sizes(group) == {"a": 30, "b": 25, "c": 30}


def test_less_memory_after_a_restart_is_obeyed_at_the_next_emission() -> None:
    group = Group(score())
    group.take(candidates(0, minute(0, "a", 80), score()))
    group._most_bytes = KEY_BYTES + 50 * EVENT
    group.crash()
    group.take(candidates(1, minute(1, "b", 1), score()))
    assert group.samples.bytes <= group._most_bytes
    assert len(held(group)["a"]) == 40


def test_a_forgotten_event_does_not_stay_on_a_shelf_with_events_of_other_keys() -> None:
    group = Group(score(), most_bytes=3 * KEY_BYTES + 128 * EVENT)
    group.take(candidates(0, minute(0, "old", 18) + minute(0, "stays", 90), score()))
    group.take(candidates(1, minute(1, "stays", 1), score()))
    group.take(candidates(2, minute(2, "new", 20), score()))
    assert sizes(group) == {"stays": 91, "new": 20}
    group.take(candidates(3, minute(3, "old", 12), score()))
    group.crash()
    group.take(candidates(4, minute(4, "old", 1), score()))
    assert sizes(group)["old"] == 13
