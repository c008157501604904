"""The events of the demo stream: times, scattered anomalies, bursts and the drift."""

import re
from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from dataflow.source import demo_log
from dataflow.source.demo_log import BURST_LABEL, Plan, record

SEEDS = (7, 8, 9)


@cache
def stream(plan: Plan) -> list[dict[str, Any]]:
    return [record(plan, index) for index in range(plan.events)]


def time(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["ts"].replace("Z", "+00:00"))


def test_event_time_is_out_of_order_but_not_by_much() -> None:
    plan = Plan()
    times = [time(record(plan, index)) for index in range(900)]
    behind = [max(times[: i + 1]) - time for i, time in enumerate(times)]
    assert timedelta(seconds=60) < max(behind) < demo_log.MAX_LAG + demo_log.SPACING
    assert times[0] > plan.start - demo_log.MAX_LAG
    assert times[-1] < plan.start + 900 * demo_log.SPACING


@pytest.mark.parametrize("seed", SEEDS)
def test_scattered_anomalies_are_few_and_each_its_own(seed: int) -> None:
    found = [event for event in stream(Plan(seed=seed)) if event["label"] not in (None, BURST_LABEL)]
    assert len(found) == 20
    assert len({event["text"] for event in found}) == 20
    assert set(Counter(event["label"] for event in found).values()) == {4}
    assert not any(event["drift"] for event in found)
    places = sorted(int(event["id"][-6:]) for event in found)
    assert all(place // demo_log.ANOMALY_EVERY == turn for turn, place in enumerate(places))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_burst_is_within_its_minutes_and_a_large_part_of_them(seed: int) -> None:
    plan = Plan(seed=seed)
    events = stream(plan)
    begins = demo_log.burst_begins(plan, plan.start)
    during = [event for event in events if timedelta(0) <= time(event) - begins < demo_log.BURST_LENGTH]
    burst = [event for event in events if event["label"] == BURST_LABEL]
    assert all(event in during for event in burst)
    assert 0.25 < len(burst) / len(during) < 0.55
    assert max(map(time, burst)) - min(map(time, burst)) > 0.8 * demo_log.BURST_LENGTH
    assert not any(event["drift"] for event in burst)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_burst_comes_after_two_hours_of_history(seed: int) -> None:
    plan = Plan(seed=seed)
    first, second = (demo_log.burst_begins(plan, plan.start + run * timedelta(hours=4)) for run in range(2))
    assert timedelta(hours=2) <= first - plan.start < timedelta(hours=3, minutes=30)
    assert timedelta(hours=6) <= second - plan.start < timedelta(hours=7, minutes=30)
    assert second - first != timedelta(hours=4)


def test_messages_of_a_burst_differ_and_normal_messages_are_none_of_them() -> None:
    events = stream(Plan())
    burst = [event["text"] for event in events if event["label"] == BURST_LABEL]
    assert len(set(burst)) > 0.9 * len(burst)
    words = re.compile("certificate.*expired|expired certificate|TLS error")
    assert {bool(words.search(event["text"])) for event in events if event["label"] is None} == {False}
    assert all(words.search(text) for text in burst)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_drift_grows_from_nothing_to_a_considerable_share_and_is_normal(seed: int) -> None:
    plan = Plan(seed=seed)
    events = stream(plan)
    drift = [event["drift"] for event in events]
    fifths = [drift[i : i + 720] for i in range(0, plan.events, 720)]
    shares = [sum(fifth) / len(fifth) for fifth in fifths]
    assert shares[0] == 0
    assert 0.01 < shares[1] < shares[2] < min(shares[3:])
    assert 0.09 < min(shares[3:]) <= max(shares[3:]) < 0.2
    assert {event["label"] for event in events if event["drift"]} == {None}


def test_texts_vary() -> None:
    plan = Plan()
    texts = {event["text"] for event in stream(plan)}
    assert len(texts) > 0.9 * plan.events


def test_start_moves_all_times() -> None:
    first, moved = Plan(), Plan(start=Plan().start + timedelta(days=1))
    assert record(first, 5)["ts"][:10] == "2026-03-02"
    assert record(moved, 5) == record(first, 5) | {"ts": "2026-03-03" + record(first, 5)["ts"][10:]}
