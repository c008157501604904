"""The highest p-value that may alarm."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.alert.alerts import Alerts
from dataflow.backtest.alarming import Alarming
from dataflow.items.drift import Drift
from dataflow.items.judged import Passed
from dataflow.settings import Alert, Settings, Window, duration
from tests.support.judged import MINUTE, Seen, judged

WINDOW = Window(kind="tumbling", length=duration("1h"))
#: Ends of windows in hours, with the number of tests of each key at each end; the key groups ``a`` and ``b``.
STREAMS = st.lists(
    st.tuples(
        st.integers(1, 30), st.lists(st.dictionaries(st.sampled_from("ab"), st.integers(0, 4)), max_size=2)
    ),
    max_size=8,
)
HOUR = 60 * MINUTE


def alarms(
    stream: list[tuple[int, list[dict[str, int]]]], per: Literal["stream", "key"], factor: float
) -> tuple[int, int]:
    """How many windows alarm and how many have tests, if each has ``factor`` times the highest p-value."""
    settings = Settings(window=WINDOW, alert=Alert(per=per))
    alarming = Alarming(settings)
    alerts = Alerts(settings.alert, WINDOW, 1)
    hours, emission, tested = 0, 0, 0
    for step, groups in stream:
        hours += step
        for tests in groups:
            said = judged(emission, {key: Seen((hours - 1) * HOUR, hours * HOUR) for key in tests})
            highest = alarming.highest(said, range(len(said.keys)))
            drifts = [
                Drift(at, tests[key], factor * highest, "", [])
                for at, key in enumerate(said.keys)
                if tests[key]
            ]
            tested += len(drifts)
            said = replace(said, drifts=drifts)
            alarming.note(said)
            alerts.take("all", said)
            emission += 1
        alerts.take("all", Passed(emission, hours * HOUR))
    return alerts.take_alarms(), tested


@pytest.mark.parametrize("per", ["stream", "key"])
@given(stream=STREAMS)
def test_no_window_alarms_with_a_higher_p_value(
    per: Literal["stream", "key"], stream: list[tuple[int, list[dict[str, int]]]]
) -> None:
    assert alarms(stream, per, 1 + 1e-9)[0] == 0


def test_a_window_that_is_tested_alone_alarms_with_the_highest() -> None:
    stream = [(hours, [{"a": 1}]) for hours in (1, 1, 5, 20, 30)]
    assert alarms(stream, "stream", 1 - 1e-9) == (5, 5)


def test_key_groups_whose_windows_end_together_have_the_same_level() -> None:
    alarming = Alarming(Settings(window=WINDOW))
    first, second = (judged(number, {key: Seen(0, HOUR)}) for number, key in enumerate("ab"))
    found = alarming.highest(first, [0])
    alarming.note(replace(first, drifts=[Drift(0, 1, 1.0, "", [])]))
    assert alarming.highest(second, [0]) == found == pytest.approx(0.05 / 24)
    assert alarming.highest(replace(second, ends=np.array([3 * HOUR])), [0]) == pytest.approx(0.05 / 12)
    assert alarming.highest(second, []) == 0
