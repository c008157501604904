"""Windows of which only low p-values matter."""

from functools import cache

import pytest

from dataflow.drift.rows import Finding, batch
from dataflow.drift.tracker import Tracker
from dataflow.items.drift import Drift
from dataflow.settings import Drift as Options
from dataflow.settings import Window, duration
from tests.support.drifting import windows
from tests.support.plain import stored

SLIDING = Window(length=duration("2m"), slide=duration("1m"))
SHIFTS = {"a": [0.0] * 10 + [0.1, 0.15, 0.2, 0.25, 0.3, 0.3, 0.0]}


@cache
def run(alarming: float) -> tuple[list[Drift], list[Finding], Tracker]:
    of = Tracker(Options(block_rows=2, alpha=0.5), SLIDING, 4)
    drifts: list[Drift] = []
    findings: list[Finding] = []
    for judged in windows(SHIFTS):
        said, tested = of.take(judged, alarming)
        drifts += said.drifts
        findings += [each for each in tested if each.tests]
    return drifts, findings, of


@pytest.mark.parametrize("alarming", [0.0, 1e-4, 0.003, 0.4, 1.0])
def test_windows_that_may_alarm_are_what_they_are_if_all_p_values_matter(alarming: float) -> None:
    every, early = run(1.0), run(alarming)
    assert stored(early[2].snapshot()) == stored(every[2].snapshot())
    alarms = 0
    for drift, finding, of, known in zip(every[0], every[1], early[0], early[1], strict=True):
        assert (of.window, of.tests) == (drift.window, drift.tests)
        if drift.p_value <= alarming:
            alarms += 1
            assert of == drift
            assert batch([known]).equals(batch([finding]))
        else:
            assert of.p_value > alarming
            assert (of.message, of.examples) == ("", []) or alarming == 1
    # Some windows alarm, and some do not.
    assert (alarms == 0) == (alarming == 0)
    assert (alarms == len(every[0])) == (alarming == 1)


def test_fewer_draws_are_made_if_only_low_p_values_matter() -> None:
    def draws(findings: list[Finding]) -> int:
        return sum(each.draws for of in findings for each in (of.beside, of.reference) if each)

    assert draws(run(1e-4)[1]) < 0.9 * draws(run(1.0)[1])
