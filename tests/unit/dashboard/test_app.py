"""The answers of the API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.page import MINUTE, START, WINDOW, Opened, alert, opened, scored, written

HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\x1b[31mred\x1b[0m \x07",
    "\u202etxt.exe \u2066 \ufffe \U0001f469\u200d\U0001f467",
    "' or 1=1 -- \\ \" % _ .* ( [",
    "\u2028\u2029</textarea>{{7*7}}${7*7}",
]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    rows = [scored(event, window) for event in range(60) for window in (event // 20, event // 20 + 1)]
    written(tmp_path / "scores.jsonl", rows)
    written(
        tmp_path / "alerts.jsonl",
        [
            alert("i1"),
            alert("i1", 1, state="closed"),
            alert("i2", window=1, examples=(25,), decided="2026-01-01T00:30:00.000000Z"),
            alert("i3", kind="drift", key="b", window=2, examples=()),
        ],
    )
    return tmp_path


@pytest.fixture
def client(out: Path) -> Iterator[Opened]:
    with opened(out) as client:
        yield client.loaded(120)


def test_the_state_says_what_is_there(client: Opened, out: Path) -> None:
    state = client.json("state")
    assert (state["rows"], state["events"], state["windows"]) == (120, 60, 4)
    assert state["keys"] == [{"key": "a", "rows": 120}]
    assert (state["first_ts"], state["last_ts"]) == (START, START + 59_000)
    assert state["watermark"] == START + 4 * WINDOW
    assert state["incidents"] == {"open": 2, "closed": 1}
    assert state["columns"] == ["score", "novelty", "surge", "rarity", "p_value", "anomaly"]
    assert {each["stream"]: (each["state"], each["rows"]) for each in state["streams"]} == {
        "alerts": ("live", 4),
        "scores": ("live", 120),
    }
    assert {each["uri"] for each in state["streams"]} == {
        str(out / "alerts.jsonl"),
        str(out / "scores.jsonl"),
    }


def test_rows_begin_with_the_newest_window_and_the_highest_anomaly(client: Opened) -> None:
    page = client.json("rows", limit=500)
    assert page["total"] == len(page["rows"]) == 120
    order = [(row["window_start"], row["anomaly"]) for row in page["rows"]]
    assert order == sorted(order, reverse=True)
    row = next(row for row in page["rows"] if row["id"] == "e1")
    assert row["incident"] == "i1"
    assert row["text"] == "text of event 1"
    assert row["text_cut"] is False


def test_an_event_shows_each_window(client: Opened) -> None:
    event = client.json("event", key="a", id="e25")
    assert [each["window_start"] for each in event["windows"]] == [START + WINDOW, START + 2 * WINDOW]
    assert event["attributes"] == {"host": "h1"}
    assert event["model"] == "null 1"
    assert event["incident"] == "i2"
    assert event["neighbours"] == []
    assert "not known" in client.json("event", 404, key="a", id="none")["error"]
    assert client.json("event", 404, key="none", id="e1")


def test_explanations_have_integers_for_times(tmp_path: Path) -> None:
    said = {"nearest": "n", "nearest_ts": "2026-01-01T00:00:01.000000Z", "similarity": 0.5, "new": ["w"]}
    written(
        tmp_path / "scores.jsonl", [scored(1, explanation=said), scored(2, explanation={"nearest_ts": None})]
    )
    with opened(tmp_path) as client:
        client.loaded(2)
        (window,) = client.json("event", key="a", id="e1")["windows"]
        assert window["explanation"] == said | {"nearest_ts": START + 1_000_000}


def test_incidents_are_listed_and_filtered(client: Opened) -> None:
    found = client.json("incidents")
    assert [each["incident"] for each in found["incidents"]] == ["i3", "i2", "i1"]
    assert found["precision"] == {"real": 0, "expected": 0, "unmarked": 2, "share": None}
    asked: list[tuple[dict[str, Any], list[str]]] = [
        ({"kind": "drift"}, ["i3"]),
        ({"state": "open"}, ["i3", "i2"]),
        ({"state": "closed"}, ["i1"]),
        ({"key": "b"}, ["i3"]),
        ({"mark": "real"}, []),
        ({"mark": "none", "limit": 1, "offset": 1}, ["i2"]),
        ({"from": START + WINDOW}, ["i3", "i2"]),
        ({"to": START + WINDOW}, ["i1"]),
    ]
    for query, expected in asked:
        answer = client.json("incidents", **query)
        assert [each["incident"] for each in answer["incidents"]] == expected, query


def test_an_incident_has_its_changes(client: Opened) -> None:
    incident = client.json("incidents/i1")
    assert [change["state"] for change in incident["changes"]] == ["open", "closed"]
    assert incident["opened"] == START + WINDOW
    assert incident["decided"] == START + WINDOW + MINUTE
    assert incident["examples"][0]["ts"] == START + 1000
    assert incident["examples"][0]["nearest_ts"] == START
    assert client.json("incidents/none", 404)


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("rows", {"limit": 501}, "limit"),
        ("rows", {"limit": "ten"}, "limit"),
        ("rows", {"offset": -1}, "offset"),
        ("rows", {"sort": "text"}, "sort"),
        ("rows", {"order": "up"}, "order"),
        ("rows", {"from": "2026-01-01"}, "from"),
        ("rows", {"to": 1 << 70}, "to"),
        ("rows", {"text": "x" * 1001}, "text"),
        ("rows", {"cluster": "1.5"}, "cluster"),
        ("rows", {"revisions": "newest"}, "revisions"),
        ("rows", {"selection": "s9"}, "selection"),
        ("rows", {"colour": "red"}, "colour"),
        ("event", {"key": "a"}, "id"),
        ("position", {"row_key": "a", "id": "e1"}, "window_start"),
        ("time", {"buckets": 0}, "buckets"),
        ("map", {"limit": 1_000_000}, "limit"),
        ("incidents", {"kind": "all"}, "kind"),
        ("text", {}, "row"),
        ("state", {"x": 1}, "x"),
    ],
)
def test_a_wrong_parameter_is_named(client: Opened, path: str, query: dict[str, Any], named: str) -> None:
    error = client.json(path, 400, **query)["error"]
    assert named in error
    assert "\n" not in error


def test_positions_and_texts(client: Opened) -> None:
    rows = client.json("rows", sort="score", text="event", limit=500)["rows"]
    for offset in (0, 17, 119):
        row = rows[offset]
        found = client.json(
            "position", sort="score", text="event", row_key="a", id=row["id"],
            window_start=row["window_start"], revision=row["revision"],
        )  # fmt: skip
        assert found == {"offset": offset}
        assert client.json("text", row=row["row"]) == {"text": row["text"]}
    gone: dict[str, Any] = {"row_key": "a", "id": "none", "window_start": START, "revision": 0}
    assert client.json("position", **gone) == {"offset": None}
    assert client.json("text", 404, row=10_000)


def test_a_selection_is_a_filter(client: Opened) -> None:
    rows = [row["row"] for row in client.json("rows", limit=7)["rows"]]
    name = client.post("/api/selections", json={"rows": rows}).json()["selection"]
    assert {row["row"] for row in client.json("rows", selection=name)["rows"]} == set(rows)


def test_time_counts_each_row_once(client: Opened) -> None:
    between: dict[str, Any] = {"key": "a", "from": START + 5000, "to": START + 20_000}
    queries: tuple[dict[str, Any], ...] = ({}, {"buckets": 7}, between)
    for query in queries:
        time = client.json("time", **query)
        asked: dict[str, Any] = {name: query[name] for name in query if name != "buckets"}
        expected = client.json("rows", **asked)["total"]
        assert sum(time["rows"]) == expected
        assert time["start"] <= query.get("from", START)
        lengths = {
            len(time[name]) for name in ("rows", "incidents", "alerting", "late", "dead_letters", "watermark")
        }
        lengths |= {len(each) for name in ("score", "anomaly") for each in time[name].values()}
        assert lengths == {len(time["rows"])}
        assert len(time["rows"]) <= query.get("buckets", 240) + 1
    assert sum(client.json("time", **{"from": START, "to": START + 3600 * 1_000_000})["incidents"]) == 2


def test_quantiles_are_those_of_the_rows(client: Opened) -> None:
    time = client.json("time", buckets=1)
    scores = sorted(row["score"] for row in client.json("rows", limit=500)["rows"])
    assert time["rows"] == [120]
    assert time["score"]["max"] == [scores[-1]]
    assert time["score"]["p50"] == [scores[59]]
    assert time["score"]["p90"] == [scores[107]]


def test_there_is_no_map_without_embeddings(client: Opened) -> None:
    assert "sink.embeddings" in client.json("map", 404)["error"]


def test_hostile_texts_are_only_data(tmp_path: Path) -> None:
    long = "1 MB " * 200_000
    rows = [
        scored(event, text=text, key=text[:200], id=text[:100]) for event, text in enumerate([*HOSTILE, long])
    ]
    written(tmp_path / "scores.jsonl", rows)
    with opened(tmp_path) as client:
        client.loaded(len(rows))
        answer = client.get("/api/rows")
        assert answer.headers["content-type"] == "application/json"
        shown = {row["id"]: row for row in answer.json()["rows"]}
        for text in HOSTILE:
            assert shown[text[:100]]["text"] == text
            assert client.json("event", key=text[:200], id=text[:100])["text"] == text
            assert client.json("rows", key=text[:200])["total"] == 1
            assert text[:100] in {row["id"] for row in client.json("rows", text=text)["rows"]}
        assert shown[long[:100]]["text"] == long[:500]
        assert shown[long[:100]]["text_cut"] is True
        event = client.json("event", key=long[:200], id=long[:100])
        assert (event["text"], event["text_length"]) == (long[:100_000], len(long))


def test_without_a_built_page_the_answer_says_what_to_do(tmp_path: Path) -> None:
    with opened(tmp_path) as client:
        if not (client.page.static / "index.html").exists():
            assert "is not built" in client.get("/").text


def test_marks_need_their_uri(client: Opened) -> None:
    answer = client.post("/api/marks", json={"incident": "i1", "mark": "real"})
    assert answer.status_code == 403
    assert "--marks" in answer.json()["error"]
    assert client.json("marks") == {"marks": []}
    assert client.get("/api/labels.jsonl").text == ""


def test_each_number_that_is_not_known_is_null(tmp_path: Path) -> None:
    unknown: dict[str, Any] = dict.fromkeys(("novelty", "surge", "rarity", "p_value", "anomaly"))
    written(tmp_path / "scores.jsonl", [scored(1, **unknown)])
    with opened(tmp_path) as client:
        client.loaded(1)
        (row,) = client.json("rows")["rows"]
        assert {name: row[name] for name in unknown} == unknown
        assert client.json("state")["columns"] == ["score"]
        assert client.json("time")["anomaly"]["max"] == [None]
        assert "NaN" not in json.dumps(client.json("event", key="a", id="e1"))
