"""The windows of keys beside what came before."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dataflow.drift import tracker as module
from dataflow.drift.rows import Finding, batch
from dataflow.drift.tracker import Tracker
from dataflow.items.drift import DRIFT, Drift
from dataflow.items.judged import Judged
from dataflow.settings import Drift as Options
from dataflow.settings import Window, duration
from tests.support.drifting import windows
from tests.support.judged import MINUTE
from tests.support.plain import stored

SLIDING = Window(length=duration("2m"), slide=duration("1m"))
STILL = {"a": [0.0] * 16}


def tracker(window: Window = SLIDING, keys: int = 4, state: Any = None, **options: Any) -> Tracker:
    return Tracker(Options(**options), window, keys, state)


def rows(found: list[list[Finding]]) -> list[dict[str, Any]]:
    return [row for tested in found for row in batch(tested).to_pylist()]


def run(of: Tracker, stream: Any) -> tuple[list[Drift], list[dict[str, Any]]]:
    taken = [of.take(judged) for judged in stream]
    assert not any(judged.samples for judged, _ in taken)
    return [drift for judged, _ in taken for drift in judged.drifts], rows([tested for _, tested in taken])


def test_a_window_meets_the_last_one_that_shares_no_events_and_the_reference() -> None:
    _, found = run(tracker(block_rows=2), windows(STILL))
    assert [row["state"] for row in found[:2]] == ["learning", "learning"]
    for row in found[4:]:
        assert row["state"] == "tested"
        assert row["before_end"] == row["window_start"]
        assert row["p_centroid_reference"] is not None
        assert row["fitted"] == 1
        assert sum(each["share"] for each in row["clusters"]) == pytest.approx(1)
        assert sum(each["before"] for each in row["clusters"]) == pytest.approx(1)
        assert sum(each["reference"] for each in row["clusters"]) == pytest.approx(1)
        assert 0 < row["inertia"] < 2
        assert row["score_p50"] == pytest.approx(0.5)
        assert row["anomaly_p50"] is None
    assert min(row["p_value"] for row in found[4:]) > 0.001


def test_a_change_is_found_and_named() -> None:
    drifts, found = run(tracker(), windows({"a": [0.0] * 12 + [0.4, 0.4]}))
    assert found[-1]["p_value"] < 0.01
    # So low that permutations alone would not show it.
    assert drifts[-1].p_value < 1e-4
    assert drifts[-1].message.startswith("Compared with earlier events, a cluster ")
    assert '("text 0"' in drifts[-1].message
    assert drifts[-1].examples[0]["text"] == "text 0"
    assert drifts[-1].examples[0]["anomaly"] is None


def test_without_a_reference_the_window_before_tells() -> None:
    stream = list(windows({"a": [0.0] * 12 + [0.6, 0.6]}))
    without = [
        replace(judged, samples=[replace(each, past=None) for each in judged.samples]) for judged in stream
    ]
    drifts, found = run(tracker(), without)
    assert found[-1]["p_centroid_before"] < 0.01
    assert found[-1]["p_clusters_before"] is None
    assert found[-1]["clusters"] == []
    assert drifts[-1].tests == 1
    assert drifts[-1].message.startswith("Compared with the window before, the mean of the texts moved")


def test_repeated_events_have_no_test_until_the_window_has_enough_runs() -> None:
    """Runs of 30 equal events."""

    def repeated(judged: Judged) -> Judged:
        one = judged.samples[0]
        return replace(judged, samples=[replace(one, vectors=one.vectors[np.arange(120) // 30 * 30])])

    _, found = run(tracker(), map(repeated, windows(STILL)))
    assert {row["state"] for row in found} == {"learning"}
    _, found = run(tracker(block_rows=5), map(repeated, windows(STILL)))
    assert found[-1]["state"] == "tested"
    assert found[-1]["block_rows"] == 5


def test_a_late_window_spends_nothing_and_changes_nothing() -> None:
    stream = list(windows(STILL))
    of, plain = tracker(), tracker()
    run(of, stream[:12])
    run(plain, stream[:12])
    drifts, found = run(of, windows({"a": [0.9] * 6}, late=True))
    assert drifts == []
    assert {row["state"] for row in found} == {"late"}
    assert all(row["clusters"] for row in found)
    assert stored(of.snapshot()) == stored(plain.snapshot())


def test_windows_that_share_most_events_are_tested_a_quarter_of_a_window_apart() -> None:
    window = Window(length=duration("20m"), slide=duration("1m"))

    def longer(judged: Judged) -> Judged:
        return replace(judged, starts=judged.ends - 20 * 60_000_000)

    of = tracker(window)
    _, found = run(of, map(longer, windows({"a": [0.0] * 60})))
    states = [row["state"] for row in found]
    assert states.count("overlaps") == pytest.approx(0.8 * len(states), abs=2)
    assert len(of.snapshot()["keys"][0][1]["windows"]) <= 5


def test_as_many_keys_as_there_is_room_for() -> None:
    of = tracker(keys=2, block_rows=2)
    _, found = run(of, windows({key: [0.0] * 4 for key in "abc"}))
    assert {row["key"] for row in found if row["state"] == "no room"} == {"c"}
    assert len(of) == 2
    later = [
        replace(each, starts=each.starts + 10**12, ends=each.ends + 10**12)
        for each in windows({"c": [0.0] * 4})
    ]
    _, found = run(of, later)
    assert {row["state"] for row in found} >= {"tested"}
    assert len(of) == 1


def test_another_model_begins_anew() -> None:
    stream = list(windows(STILL))
    of = tracker()
    run(of, stream[:10])
    _, found = run(of, [replace(each, model="other") for each in stream[10:]])
    assert found[0]["state"] != "tested" or found[0]["before_end"] is None
    assert found[0]["fitted"] == 1


def test_clusters_are_fitted_anew_after_many_windows() -> None:
    _, found = run(tracker(block_rows=1), windows({"a": [0.0] * 125}, rows=50))
    assert {row["fitted"] for row in found} == {0, 1, 2}
    first = next(row for row in found if row["fitted"] == 2)
    # The window before knows the old clusters alone.
    assert first["p_clusters_before"] is None
    assert first["p_centroid_before"] is not None
    assert first["p_clusters_reference"] is not None


def test_the_state_is_plain_data_and_small() -> None:
    of = tracker()
    run(of, windows(STILL, rows=2000))
    (_, state), *_ = stored(of.snapshot())["keys"]
    assert len(state["windows"]) == 2
    assert sum(len(each[5]) for each in state["windows"]) <= 2 * 64 * 6 * 2


def test_rows_have_the_schema() -> None:
    taken = [tracker().take(judged)[1] for judged in windows(STILL)]
    assert batch(taken[0]).schema == DRIFT


def test_windows_that_share_events_are_learnt_once() -> None:
    of, learnt = tracker(), []
    for judged in windows({"a": [0.0] * 6}):
        of.take(judged)
        learnt.append(of.snapshot()["keys"][0][1]["learnt"])
    assert [now == before for before, now in itertools.pairwise(learnt)] == [True, False, True, False]


def test_events_of_windows_that_overlap_are_counted_once() -> None:
    of = tracker()
    for number, judged in enumerate(windows(STILL, rows=120), 1):
        of.take(judged)
        assert of.snapshot()["keys"][0][1]["events"] == pytest.approx(60 * (number + 1))


def test_clusters_are_fitted_anew_after_so_many_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REFIT", 4)
    _, found = run(tracker(), windows(STILL))
    fitted = [row["fitted"] for row in found]
    first = fitted.index(1)
    assert fitted == [0] * first + [1 + at // 4 for at in range(len(fitted) - first)]
    # Right after a fit, the window before knows other clusters.
    for before, row in itertools.pairwise(found[first + 2 :]):
        is_new = row["fitted"] != before["fitted"]
        assert not (is_new and any(each["before"] is not None for each in row["clusters"]))


def test_a_reference_with_exactly_as_many_events_as_it_needs_is_compared() -> None:
    judged = list(windows({"a": [0.0] * 8}))[-1]
    [sample] = judged.samples
    assert sample.past is not None
    for events, state in ((100, "tested"), (99, "learning")):
        past = replace(sample.past, rows=sample.past.rows[-events:])
        _, found = run(tracker(block_rows=2), [replace(judged, samples=[replace(sample, past=past)])])
        assert found[0]["state"] == state


@pytest.mark.parametrize(("more", "overlap"), [(0, 0), (4, 1)])
def test_windows_that_begin_a_quarter_of_a_window_apart_are_tested(more: int, overlap: int) -> None:
    stream = [replace(judged, starts=judged.ends - 4 * MINUTE - more) for judged in windows({"a": [0.0] * 6})]
    _, found = run(tracker(block_rows=2), stream)
    assert [row["state"] == "overlaps" for row in found[:2]] == [False, bool(overlap)]


@pytest.mark.parametrize(("steps", "has_room"), [(24, False), (25, True)])
def test_a_key_makes_room_after_24_steps_without_windows(steps: int, has_room: bool) -> None:
    of = tracker(keys=1)
    first, *_ = windows({"a": [0.0] * 3})
    later, *_ = windows({"b": [0.0] * 3})
    run(of, [first])
    _, [row] = run(
        of, [replace(later, starts=later.starts + steps * MINUTE, ends=later.ends + steps * MINUTE)]
    )
    assert (row["state"] != "no room") is has_room
