"""Incidents of drift."""

from dataclasses import replace
from typing import Any

import pytest

from dataflow.alert.alerts import Alerts
from dataflow.items.drift import Drift
from dataflow.items.judged import Judged
from dataflow.settings import Alert, Window, duration
from tests.support.judged import MINUTE, Seen, judged
from tests.support.plain import stored

#: One window a minute.
WINDOW = Window(kind="tumbling", length=duration("1m"), watermark="key")
OPTIONS = Alert(history=duration("0s"), close_after=duration("3m"), cool_down=duration("5m"))
#: The level of each of two tests, with windows of a minute: the part of a day, of a chance of 0.05.
LEVEL = 0.05 / 1440 / 2


def said(minute: int, late: bool = False, **p_values: float) -> Judged:
    """An emission with a window of each key that ends at ``minute``."""
    keys = sorted(p_values)
    seen = {key: Seen((minute - 1) * MINUTE, minute * MINUTE, late=late) for key in keys}
    example = {"id": "e", "ts": 1, "text": "t", "anomaly": None, "nearest": None, "nearest_ts": None}
    drifts = [
        Drift(at, 2, p_values[key], f"{key} {minute}", [example | {"explanation": None}])
        for at, key in enumerate(keys)
    ]
    return replace(judged(minute, seen), drifts=drifts)


def alerts(state: Any = None, **more: Any) -> Alerts:
    return Alerts(OPTIONS, WINDOW, None, state, **more)


def states(found: list[dict[str, Any]]) -> list[str]:
    return [row["state"] for row in found]


def test_an_incident_opens_at_the_level_and_closes() -> None:
    of, found = alerts(), []
    for minute in range(1, 12):
        found += of.take("0", said(minute, a=LEVEL if minute == 3 else 2 * LEVEL))
    assert states(found) == ["open", "closed"]
    row = found[0]
    assert (row["kind"], row["message"], row["count"], row["cluster"]) == ("drift", "a 3", 1, -1)
    assert (row["window_end"], row["first_ts"], row["last_ts"]) == (3 * MINUTE, 2 * MINUTE, 3 * MINUTE)
    assert row["p_value"] == pytest.approx(2 * LEVEL)
    assert row["threshold"] == pytest.approx(row["peak"])
    assert row["examples"][0]["text"] == "t"
    # Later than three minutes after the drift.
    assert found[1]["decided"] == 7 * MINUTE
    assert found[1]["incident"] == row["incident"]
    assert of.open == 0
    assert of.take_alarms() == 1


def test_a_drift_that_lasts_is_told_less_and_less_often() -> None:
    of, found = alerts(), []
    for minute in range(1, 41):
        found += of.take("0", said(minute, a=1e-9))
    assert [row["count"] for row in found] == [1, 2, 4, 8, 16, 32]
    assert [row["sequence"] for row in found] == list(range(6))
    assert of.open == 1


def test_a_closed_incident_opens_again_while_it_cools_down() -> None:
    of, found = alerts(), []
    for minute in range(1, 40):
        found += of.take("0", said(minute, a=1e-9 if minute in (1, 7, 30) else 1.0))
    assert states(found) == ["open", "closed", "reopened", "closed", "open", "closed"]
    assert len({row["incident"] for row in found}) == 2


def test_the_keys_of_a_stream_share_alpha() -> None:
    shared = Window(kind="tumbling", length=duration("1m"), key_groups=2)
    for share, count in ((1.01, 0), (0.99, 2)):
        of = Alerts(OPTIONS, shared, 2)
        of.take("0", said(1, a=LEVEL / 2 * share))
        of.take("1", said(1, b=LEVEL / 2 * share))
        assert states(of.finish()) == ["open"] * count


def test_alpha_is_a_setting() -> None:
    assert states(alerts(drift_alpha=0.5).take("0", said(1, a=9 * LEVEL))) == ["open"]
    assert states(alerts().take("0", said(1, a=9 * LEVEL))) == []


def test_a_drift_takes_nothing_from_the_budget_of_events() -> None:
    with_drift, without = alerts(), alerts()
    assert states(with_drift.take("0", said(1, a=1e-9))) == ["open"]
    assert states(without.take("0", said(1, a=1.0))) == []
    assert with_drift.snapshot()["thresholds"] == without.snapshot()["thresholds"]


def test_late_windows_are_not_decided() -> None:
    of = alerts()
    assert of.take("0", said(1, late=True, a=1e-9)) == []


@pytest.mark.parametrize("cut", range(1, 12, 3))
def test_a_restart_changes_nothing(cut: int) -> None:
    def run(at: int) -> list[dict[str, Any]]:
        of, found = alerts(), []
        for minute in range(1, 30):
            if minute == at:
                of = alerts(stored(of.snapshot()))
            found += of.take("0", said(minute, a=1e-9 if minute % 9 < 3 else 0.5, b=1e-9 / minute))
        return found

    assert run(cut) == run(0)
