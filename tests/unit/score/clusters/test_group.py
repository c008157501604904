"""The clusters of the keys of a key group: which window starts from which, and what is remembered."""

import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.items.rows import segments
from dataflow.items.windows import WholeWindows
from dataflow.score.clusters import ClusterTracker, GroupClusters, Tracked
from dataflow.settings import Settings
from tests.support.clusters import MINUTE, emission, emissions, plain, unify, warm

TRACKER = ClusterTracker(warm().score)


def bits(tracked: Tracked) -> object:
    scores = tracked.scores
    return scores.values.tobytes(), scores.cluster.tobytes(), tracked.changes


def track(group: GroupClusters, windows: WholeWindows) -> list[Tracked]:
    rows, _ = unify(windows.gather())
    return group.track(windows, rows, segments(rows)) if len(rows) else []


def new_group(options: Settings | None = None) -> GroupClusters:
    return GroupClusters(TRACKER, options or warm())


def of_key_watermark() -> Settings:
    options = warm()
    return options.model_copy(update={"window": options.window.model_copy(update={"watermark": "key"})})


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.sets(st.integers(0, 15)), st.booleans())
def test_windows_start_from_the_clusters_that_a_plain_loop_keeps(
    seed: int, restarts: set[int], of_stream: bool
) -> None:
    made = emissions(seed, 16)
    options = warm() if of_stream else of_key_watermark()
    group, found = new_group(options), []
    for number, windows in enumerate(made):
        found.append([bits(each) for each in track(group, windows)])
        if number in restarts:
            group = GroupClusters(TRACKER, options, pickle.loads(pickle.dumps(group.snapshot())))
    expected = [[bits(each) for each in of_emission] for of_emission in plain(TRACKER, made, 5 * MINUTE)]
    assert found == expected


def test_a_revision_starts_from_the_last_clusters_and_does_not_change_them() -> None:
    group = new_group()
    for number in range(3):
        track(group, emission(number, number * MINUTE, {"a": 0}, seed=number))
    before = group.snapshot()
    (revised,) = track(group, emission(3, MINUTE, {"a": 1}, seed=9))
    (late,) = track(group, emission(4, MINUTE, {"a": 0}, seed=9))
    assert group.snapshot() == before
    assert bits(revised) == bits(late)
    assert {change.cluster for change in revised.changes} >= set(before[0][2]["numbers"])


def test_a_key_starts_again_after_the_half_life() -> None:
    for minutes, is_new in ((5, False), (6, True)):
        group = new_group()
        for number in range(4):
            (last,) = track(group, emission(number, number * MINUTE, {"a": 0}, seed=number))
        assert last.clusters.next_number > 3
        (found,) = track(group, emission(4, (3 + minutes) * MINUTE, {"a": 0}, seed=4))
        assert ({change.state for change in found.changes} == {"new"}) == is_new
        assert (found.clusters.next_number <= 3) == is_new


def test_quiet_keys_are_forgotten_when_windows_of_other_keys_close() -> None:
    for options, remembered in ((warm(), 1), (of_key_watermark(), 3)):
        group = new_group(options)
        track(group, emission(0, 0, {"a": 0, "b": 0, "c": 0}))
        # Events may be late by three minutes, so a window that ended at minute 5 could still come.
        track(group, emission(1, 8 * MINUTE, {"c": 0}))
        assert len(group) == 3
        track(group, emission(2, 8 * MINUTE + 1, {"c": 0}))
        assert len(group) == remembered


def test_the_state_is_bounded_in_time() -> None:
    group = new_group()
    for number in range(40):
        track(group, emission(number, number * MINUTE, {f"key {number}": 0}))
        assert len(group) <= 9
