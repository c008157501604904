"""What the page takes from alerts: the events of an incident, and the budget."""

from pathlib import Path
from typing import Any

from tests.support.page import START, alert, opened, scored, written

DAY = 24 * 3600 * 1_000_000


def test_the_budget_is_beside_what_it_gave(tmp_path: Path) -> None:
    times = [START + hours * 3_600_000_000 for hours in (1, 2, 30)]
    rows = [
        alert(f"i{at}", decided=time, realised_per_day=[1, 2, 1][at], key="ab"[at % 2])
        for at, time in enumerate(times)
    ]
    rows.append(alert("late", 0, decided=times[2] + 1, realised_per_day=1))
    written(tmp_path / "alerts.jsonl", rows)
    written(tmp_path / "scores.jsonl", [scored(0), scored(1, 6 * 31)])
    with opened(tmp_path) as client:
        client.loaded(2)
        asked = {"from": START, "to": START + 56 * 3_600_000_000, "buckets": 56}
        found = client.json("time", **asked)["budget"]
        assert (found["per_day"], found["of"]) == (20.0, "stream")
        expected = [0] + [1] + [2] * 23 + [1] + [0] * 4 + [1] * 24 + [0] * 2
        assert found["realised"] == expected
        assert client.json("time", key="b", **asked)["budget"] == found


def test_with_a_budget_for_each_key_the_budget_is_that_of_the_key(tmp_path: Path) -> None:
    rows = [
        alert(key, key=key, decided=START + at, budget_of="key", budget_per_day=5.0, realised_per_day=said)
        for at, (key, said) in enumerate([("b", 1), ("a", 3)])
    ]
    written(tmp_path / "alerts.jsonl", rows)
    written(tmp_path / "scores.jsonl", [scored(0)])
    with opened(tmp_path) as client:
        client.loaded(1)
        asked: dict[str, Any] = {"from": START, "to": START + DAY, "buckets": 1}
        of_keys: list[dict[str, Any]] = [{}, {"key": "a"}, {"key": "b"}]
        found = [client.json("time", **asked | of_key)["budget"] for of_key in of_keys]
        assert [each["realised"] for each in found] == [[2], [3], [1]]
        assert {(each["per_day"], each["of"]) for each in found} == {(5.0, "key")}


def test_an_older_output_says_no_budget_and_names_examples_only(tmp_path: Path) -> None:
    new = ("event_ids", "left_ids", "unnamed", "budget_per_day", "budget_of", "realised_per_day")
    row = {name: value for name, value in alert("i").items() if name not in new} | {"format": 3}
    written(tmp_path / "alerts.jsonl", [row])
    written(tmp_path / "scores.jsonl", [scored(event) for event in range(5)])
    with opened(tmp_path) as client:
        client.loaded(5)
        assert client.json("time")["budget"] | {"realised": None} == dict.fromkeys(
            ("per_day", "of", "realised")
        )
        assert {each["id"] for each in client.json("rows", incident="i")["rows"]} == {"e1", "e2"}
        assert client.json("incidents/i")["unnamed"] is None


def test_a_filter_by_incident_shows_all_its_rows(tmp_path: Path) -> None:
    first = alert("i", examples=(1,), event_ids=["e1", "e2", "e3"])
    more = alert("i", 1, examples=(1,), event_ids=["e7"], left_ids=["e3"], unnamed=4)
    merged = [alert("j", event_ids=["e9"]), alert("j", 1, state="merged", merged_into="i")]
    written(tmp_path / "alerts.jsonl", [first, more, *merged])
    written(tmp_path / "scores.jsonl", [scored(e, w) for e in range(12) for w in (0, 1)])
    with opened(tmp_path) as client:
        client.loaded(24)
        rows = client.json("rows", incident="i", sort="ts", order="asc")["rows"]
        assert [row["id"] for row in rows] == [f"e{event}" for event in (1, 1, 2, 2, 7, 7, 9, 9)]
        assert {row["incident"] for row in rows} == {"i"}
        assert client.json("event", key="a", id="e9")["incident"] == "i"
        assert client.json("event", key="a", id="e3")["incident"] is None
        assert client.json("incidents/i")["unnamed"] == 4
