"""The events of the demo stream: times, anomalies and drift."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from dataflow.source import demo_log
from dataflow.source.demo_log import Plan, record


def test_event_time_is_out_of_order_but_not_by_much() -> None:
    plan = Plan()
    times = [datetime.fromisoformat(record(plan, i)["ts"].replace("Z", "+00:00")) for i in range(900)]
    behind = [max(times[: i + 1]) - time for i, time in enumerate(times)]
    assert timedelta(seconds=60) < max(behind) < demo_log.MAX_LAG + demo_log.SPACING
    assert times[0] > plan.start - demo_log.MAX_LAG
    assert times[-1] < plan.start + 900 * demo_log.SPACING


@pytest.mark.parametrize("seed", [7, 8])
def test_anomalies_are_few_scattered_and_each_its_own(seed: int) -> None:
    plan = Plan(seed=seed)
    planted = [record(plan, i) for i in range(plan.events) if demo_log.anomaly(plan, i)]
    assert len(planted) == 20
    assert len({event["text"] for event in planted}) == 20
    assert set(Counter(event["label"] for event in planted).values()) == {4}
    assert not any(event["drift"] for event in planted)


def test_the_drift_is_in_the_second_half_and_a_part_of_it() -> None:
    plan = Plan()
    drift = [record(plan, i)["drift"] for i in range(plan.events)]
    assert not any(drift[: plan.events // 2])
    assert 0.2 < sum(drift[plan.events * 6 // 10 :]) / (plan.events * 0.4) < 0.4


def test_texts_vary() -> None:
    plan = Plan()
    texts = {record(plan, i)["text"] for i in range(plan.events)}
    assert len(texts) > 0.9 * plan.events


def test_start_moves_all_times() -> None:
    first, moved = Plan(), Plan(start=Plan().start + timedelta(days=1))
    assert record(first, 5)["ts"][:10] == "2026-03-02"
    assert record(moved, 5) == record(first, 5) | {"ts": "2026-03-03" + record(first, 5)["ts"][10:]}
