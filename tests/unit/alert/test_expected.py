"""Events that resemble a mark do not alert, and leave the threshold as it is."""

from pathlib import Path
from typing import Any

from dataflow.alert.alerts import Alerts
from dataflow.settings import duration
from tests.support.alert_minutes import WINDOW, Run, one
from tests.support.marks import line, marks
from tests.support.plain import stored

#: The end of the second minute.
SECOND_MINUTE = "1970-01-01T00:02:00Z"


def marked(folder: Path, *lines: str, **fields: Any) -> Run:
    path = folder / "marks.jsonl"
    path.write_text("".join(lines))
    return Run(marks(path), **fields)


def opened(rows: list[dict[str, Any]]) -> list[str]:
    return [row["examples"][0]["id"] for row in rows if row["state"] == "open"]


def correction(run: Run) -> float:
    [(_, level)] = run.alerts.snapshot()["thresholds"]["levels"]
    return float(level["correction"])


def test_what_resembles_a_mark_does_not_alert_and_is_counted(tmp_path: Path) -> None:
    run = marked(tmp_path, line("expected", "40", key="a"), alpha=0.001)
    events = [one("expected", 1, 9.0, 40.0), one("near", 1, 5.0, 45.0), one("far", 1, 4.0, 90.0)]
    rows = run.minute(1, a=events, b=[one("of another key", 1, 9.0, 40.0)])
    assert sorted(opened(rows)) == ["far", "of another key"]
    assert run.alerts.take_expected() == 2
    assert run.alerts.take_expected() == 0
    assert run.alerts.take_suppressed() == 0


def test_a_mark_counts_from_its_time_to_its_end(tmp_path: Path) -> None:
    counts = line("expected", "40", SECOND_MINUTE, until="1970-01-01T00:04:00Z")
    run = marked(tmp_path, counts, alpha=0.001, close_after=duration("30s"), cool_down=duration("0s"))
    found = {end: bool(opened(run.minute(end, a=[one(f"e{end}", end, 9.0, 40.0)]))) for end in range(1, 6)}
    assert found == {1: True, 2: False, 3: False, 4: True, 5: True}


def test_an_incident_that_is_expected_closes_and_keeps_its_events(tmp_path: Path) -> None:
    run = marked(tmp_path, line("expected", "40", SECOND_MINUTE), alpha=0.001)
    [new] = run.minute(1, a=[one("e1", 1, 9.0, 40.0)])
    later = [row for end in range(2, 10) for row in run.minute(end, a=[one(f"e{end}", end, 9.0, 40.0)])]
    assert [(row["incident"], row["state"], row["count"]) for row in later] == [
        (new["incident"], "closed", 1)
    ]


def test_a_weak_event_that_is_expected_follows_no_incident(tmp_path: Path) -> None:
    run = marked(tmp_path, line("expected", "50"), alpha=0.001)
    events = [one("strong", 1, 9.0, 30.0), one("weak", 1, 2.0, 50.0), one("other", 1, 2.0, 20.0)]
    [row] = run.minute(1, a=events)
    assert row["count"] == 2
    assert run.alerts.take_expected() == 0


def test_what_is_marked_real_alerts_though_it_is_near_something_expected(tmp_path: Path) -> None:
    run = marked(tmp_path, line("expected", "40"), line("real", "50"), alpha=0.001)
    rows = run.minute(1, a=[one("real", 1, 9.0, 48.0), one("expected", 1, 9.0, 42.0)])
    assert opened(rows) == ["real"]


def test_the_threshold_is_what_it_would_be_without_the_mark(tmp_path: Path) -> None:
    """Else others would alert in place of what is expected."""
    found = []
    for lines in ((), (line("expected", "40"), line("expected", "50"))):
        run = marked(tmp_path, *lines, budget="24000/d")
        for end in range(1, 40):
            run.minute(end, a=[one(f"e{end}", end, 9.0, 40.0 + 10 * (end % 2))])
        found.append(correction(run))
    assert found[0] == found[1]


def test_what_is_expected_takes_no_allowance(tmp_path: Path) -> None:
    run = marked(tmp_path, line("expected", "40"), budget="1/d")
    rows = run.minute(1, a=[one("expected", 1, 9.0, 40.0), one("other", 1, 8.0, 180.0)])
    assert opened(rows) == ["other"]


def test_late_windows_do_not_move_the_threshold(tmp_path: Path) -> None:
    run = marked(tmp_path, line("expected", "40"), budget="24000/d")
    run.minute(1, a=[])
    run.minute(2, a=[])
    before = correction(run)
    assert not run.minute(1, late=True, a=[one("late", 1, 9.0, 40.0)])
    assert correction(run) == before
    assert run.alerts.take_expected() == 1


def test_what_goes_on_counts_once_also_after_a_restart(tmp_path: Path) -> None:
    options, found = {"budget": "24000/d"}, []
    for restarts in (False, True):
        run = marked(tmp_path, line("expected", "40"), **options)
        for end in range(1, 6):
            run.minute(end, a=[one(f"e{end}", end, 9.0, 40.0)])
            if restarts:
                state, likeness = stored(run.alerts.snapshot()), marks(tmp_path / "marks.jsonl")
                run.alerts = Alerts(run.options, WINDOW, 1, state, likeness=likeness)
        found.append(correction(run))
        assert run.alerts.snapshot()["expected"]
        # An incident is over after close_after and cool_down, 30 steps in all.
        run.minute(36, a=[])
        assert run.alerts.snapshot()["expected"] == []
    assert found[0] == found[1]


def test_an_event_that_alerted_before_the_mark_stays_in_its_incident(tmp_path: Path) -> None:
    run = marked(tmp_path, line("expected", "40", SECOND_MINUTE), alpha=0.001)
    run.minute(1, a=[one("e1", 1, 9.0, 40.0)])
    run.minute(2, a=[])
    assert not run.minute(1, late=True, a=[one("e1", 1, 9.0, 40.0)])
    assert run.alerts.take_expected() == 0
