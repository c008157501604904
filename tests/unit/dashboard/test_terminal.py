"""The top of a stream in a terminal: it fits, it shows texts as texts, and it says what is wrong."""

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dashboard.terminal.frame import Shown, frame

HOUR = 3_600_000_000
ROW: dict[str, Any] = {
    "key": "all",
    "ts": HOUR + 5_000_000,
    "window_start": HOUR,
    "window_end": HOUR + 600_000_000,
    "text": "a text",
    "novelty": 0.5,
    "score": 0.25,
    "anomaly": 4.2,
}
INCIDENT: dict[str, Any] = {
    "state": "open",
    "kind": "events",
    "first_ts": HOUR,
    "count": 1234,
    "peak": 5.5,
    "message": "an incident",
    "examples": [{"text": "its example"}],
}
LIVE = {"stream": "scores", "state": "live", "message": "", "broken": 0}


def state(*streams: Mapping[str, Any], keys: int = 1) -> dict[str, Any]:
    return {
        "watermark": HOUR,
        "events": 1_000_000,
        "windows": 7,
        "incidents": {"open": 1, "closed": 2},
        "streams": streams or (LIVE,),
        "keys_total": keys,
    }


def lines(shown: Shown, width: int = 100, height: int = 30, *, colours: bool = False) -> list[str]:
    console = Console(
        width=width, height=height, force_terminal=colours, color_system="standard" if colours else None
    )
    with console.capture() as captured:
        console.print(frame(shown, width, height))
    return captured.get().rstrip("\n").split("\n")


def rates(*values: float) -> dict[str, Any]:
    metrics = [{"name": "driftline_records_total", "rate": value} for value in values]
    return {"reachable": True, "message": "", "stages": [{"stage": "source", "metrics": metrics}]}


@given(
    st.lists(st.text(max_size=200), max_size=60),
    st.lists(st.text(max_size=200), max_size=8),
    st.integers(50, 200),
    st.integers(20, 60),
    st.integers(1, 3),
)
def test_a_frame_fits_and_a_terminal_obeys_no_text(
    texts: list[str], examples: list[str], width: int, height: int, keys: int
) -> None:
    shown = Shown(
        state({**LIVE, "state": "broken", "message": "".join(texts)}, keys=keys),
        [{**ROW, "text": text, "key": text} for text in texts],
        [{**INCIDENT, "examples": [{"text": text}]} for text in examples],
        rates(12.0),
        "anomaly",
        "q quit",
    )
    drawn = lines(shown, width, height)
    assert len(drawn) <= height
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", "".join(drawn))
    assert all(Console(width=width).render_str(line, markup=False).cell_len <= width for line in drawn)


def test_rows_come_in_their_order_with_all_that_is_known() -> None:
    rows = [{**ROW, "text": f"[red]text {n}", "anomaly": 9.0 - n} for n in range(3)]
    drawn = lines(Shown(state(), rows, [], None, "anomaly"))
    assert "anomaly ↓" in drawn[2]
    assert "01 Jan 01:00:00 UTC" in drawn[0]
    assert "1,000,000 events" in drawn[0]
    for n, line in enumerate(drawn[3:6]):
        assert line.split() == [
            "━" * 6,
            f"{9 - n}.0",
            "01:00:05",
            "01:00-01:10",
            "[red]text",
            f"{n}",
            "0.50",
            "0.25",
        ]
    assert "key" not in drawn[2].split()


def test_what_is_not_known_is_a_dash() -> None:
    row = {**ROW, "anomaly": None, "novelty": None}
    (line,) = lines(Shown(state(keys=2), [row], [], None, "window"))[3:]
    assert line.split() == ["-", "01:00:05", "01:00-01:10", "all", "a", "text", "-", "0.25"]


def test_incidents_stand_below_with_an_example_or_for_drift_the_cause() -> None:
    drift = {**INCIDENT, "kind": "drift", "message": "a cluster grew"}
    drawn = lines(Shown(state(), [], [INCIDENT, drift], None, "window"))
    assert drawn[-2].split() == ["open", "01", "Jan", "01:00", "1,234", "5.5", "its", "example"]
    assert drawn[-1].split()[-3:] == ["a", "cluster", "grew"]


def test_an_output_that_is_not_live_says_why() -> None:
    broken = {**LIVE, "state": "broken", "message": "out/x: No such file", "stream": None}
    left_out = {**LIVE, "broken": 3, "message": "3 rows are left out"}
    drawn = lines(Shown(state(LIVE, broken, left_out), [], [], None, "window"))
    assert drawn[1:3] == ["output broken: out/x: No such file", "scores live: 3 rows are left out"]


def test_rates_of_several_processes_are_added_and_a_missing_endpoint_is_named() -> None:
    assert lines(Shown(state(), [], [], rates(1000.2, 500.3), "window"))[1].strip() == "source 1,500/s"
    away = {"reachable": False, "message": "http://x gives no metrics", "stages": []}
    assert lines(Shown(state(), [], [], away, "window"))[1] == "http://x gives no metrics"


def test_what_is_rare_is_red() -> None:
    rows = [{**ROW, "anomaly": value} for value in (2.9, 3.0)]
    usual, rare = lines(Shown(state(), rows, [], None, "window"), colours=True)[3:]
    assert "31m" in rare
    assert "31m" not in usual
