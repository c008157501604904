"""The same rows and incidents of drift, in whatever order key groups come, and after any restart."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.alert.alerts import Alerts
from dataflow.drift.rows import batch
from dataflow.drift.tracker import Tracker
from dataflow.items.judged import Judged, Passed
from dataflow.settings import Alert, Drift, Window, duration
from tests.support.drifting import windows
from tests.support.judged import MINUTE
from tests.support.plain import stored

#: Sliding windows of two minutes every minute, and two key groups with two keys each.
WINDOW = Window(length=duration("2m"), slide=duration("1m"), key_groups=2)
OPTIONS = Drift(block_rows=2, alpha=0.1)
GROUPS = {"0": ("a", "c"), "1": ("b", "d")}
MINUTES = 14

shares = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5]), min_size=MINUTES, max_size=MINUTES)
streams = st.fixed_dictionaries({key: shares for keys in GROUPS.values() for key in keys})


def messages(stream: dict[str, list[float]]) -> dict[str, list[Judged]]:
    return {
        group: list(windows({key: stream[key] for key in keys}, rows=60, seed=int(group)))
        for group, keys in GROUPS.items()
    }


def run(said: dict[str, list[Judged]], rng: random.Random | None) -> Any:
    """The rows and the alerts. ``rng``: in which order groups come, and where the process restarts."""
    trackers = {group: Tracker(OPTIONS, WINDOW, 1 if group == "0" else 2) for group in GROUPS}
    alerts = Alerts(Alert(), WINDOW, 2, drift_alpha=OPTIONS.alpha)
    waiting = [[(group, judged) for judged in said[group]] for group in GROUPS]
    rows: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    while any(waiting):
        parts = [part for part in waiting if part]
        group, judged = (rng.choice(parts) if rng else parts[0]).pop(0)
        if rng and rng.random() < 0.3:
            state = stored(trackers[group].snapshot())
            trackers[group] = Tracker(OPTIONS, WINDOW, 1 if group == "0" else 2, state)
            alerts = Alerts(Alert(), WINDOW, 2, stored(alerts.snapshot()), drift_alpha=OPTIONS.alpha)
        tested, findings = trackers[group].take(judged)
        rows += batch(findings).to_pylist()
        found += alerts.take(group, tested)
        passed = Passed(judged.emission + 1, int(judged.ends[0]) // MINUTE * MINUTE)
        found += alerts.take(group, passed)
    rows.sort(key=lambda row: (row["key"], row["window_end"]))
    return rows, found + alerts.finish()


@settings(max_examples=2)
@given(stream=streams, seed=st.integers(0, 2**32))
def test_neither_order_nor_restarts_change_drift(stream: dict[str, list[float]], seed: int) -> None:
    said = messages(stream)
    expected = run(said, None)
    assert run(said, random.Random(seed)) == expected
    assert any(row["state"] == "tested" for row in expected[0])
    assert any(row["state"] == "no room" for row in expected[0])
