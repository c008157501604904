"""The keys with few events, beside a dict with the events of each key."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.score.evidence.small import SmallKeys
from tests.support.evidence import candidates, options, stream

LEAST = 8
#: For each step: how many events each of four keys gets, and which keys leave then.
steps = st.lists(
    st.tuples(st.lists(st.integers(0, 5), min_size=4, max_size=4), st.sets(st.sampled_from("abcd"))),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(steps)
def test_each_key_has_its_events_until_it_has_many_or_leaves(
    taken: list[tuple[list[int], set[str]]],
) -> None:
    every = candidates(0, stream(1, 1, keys="a", rate=300)[0], options()).events
    small, plain = SmallKeys(LEAST), defaultdict[str, list[int]](list)
    released, used = np.arange(len(every)) % 3, 0

    def priorities(rows: list[int]) -> list[float]:
        return [float(each) for each in every.priority[rows]]

    for sizes, leave in taken:
        of_keys = {key: size for key, size in zip("abcd", sizes, strict=True) if size}
        for key, size in of_keys.items():
            plain[key] += range(used, used + size)
            used += size
        rows = np.arange(used - sum(sizes), used)
        grown = small.enter(of_keys, every.take(rows), released[rows]) if of_keys else {}
        assert set(grown) == {key for key in of_keys if len(plain[key]) >= LEAST}
        gone = grown | small.pop(leave)
        assert set(gone) == set(grown) | {key for key in leave if plain[key]}
        for key, (events, until) in gone.items():
            mine = plain.pop(key)
            assert events.texts.tolist() == every.texts[mine].tolist()
            assert (events.vectors == every.vectors[mine]).all()
            assert until.tolist() == released[mine].tolist()
        plain = defaultdict(list, {key: mine for key, mine in plain.items() if mine})
        assert set(small) == set(plain)
        assert len(small) == len(plain)
        left = sorted(row for mine in plain.values() for row in mine)
        assert sorted(small.priorities().tolist()) == sorted(priorities(left))
        middle = float(np.median(every.priority))
        lowest = [row for row in left if every.priority[row] <= middle]
        found = [pair for events, until in small.up_to(middle) for pair in zip(events.ts, until, strict=True)]
        assert sorted(found) == sorted((every.ts[row], released[row]) for row in lowest)
        waiting = {key: (priority.tolist(), until.tolist()) for key, priority, until in small.waiting()}
        assert set(waiting) == {key for key, mine in plain.items() if released[mine].any()}
        for key, found_waits in waiting.items():
            waits = sorted((row for row in plain[key] if released[row]), key=every.priority.__getitem__)
            assert found_waits == (priorities(waits), released[waits].tolist())


def test_rows_of_keys_that_left_take_little_memory() -> None:
    every = candidates(0, stream(1, 1, keys="a", rate=300)[0], options()).events
    small, none = SmallKeys(LEAST), np.zeros(len(every), np.int64)
    for key in range(100):
        small.enter({f"{key}": 3}, every.take(slice(0, 3)), none[:3])
        small.pop([f"{key - 20}"])
    assert len(small) == 20
    assert sum(len(part.codes) for part in small._parts) <= 80
