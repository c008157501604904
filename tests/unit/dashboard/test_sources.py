"""The states of sources say what to do."""

from pathlib import Path
from typing import Any

import pytest

from dashboard.readers.find import named_uri
from dataflow.errors import SettingsError
from tests.support.page import MINUTE, START, Opened, alert, opened, scored, written
from tests.support.processes import wait_until


def source(client: Opened) -> Any:
    (found,) = client.json("state")["streams"]
    return found


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    with opened(path) as client:
        wait_until(lambda: source(client)["state"] == "broken")
        assert "No such file" in source(client)["message"]
        assert str(path) in source(client)["message"]
        assert client.json("state")["loaded"] is True
        path.touch()
        wait_until(lambda: source(client)["state"] == "empty")
        assert "no rows yet" in source(client)["message"]
        written(path, [scored(1)])
        wait_until(lambda: source(client)["state"] == "live")
        found = source(client)
        assert (found["rows"], found["newest"], found["message"]) == (1, START + 1000, "")
        path.unlink()
        wait_until(lambda: source(client)["state"] == "broken")
        assert client.json("rows")["total"] == 1


def test_a_folder_that_comes_later(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as client:
        wait_until(lambda: source(client)["state"] == "broken")
        (tmp_path / "out").mkdir()
        written(tmp_path / "out" / "scores.jsonl", [scored(1)])
        wait_until(lambda: client.json("state")["rows"] == 1)
        wait_until(lambda: source(client)["uri"].endswith("scores.jsonl"))


def test_rows_of_another_version_are_too_old_until_the_file_is_new(tmp_path: Path) -> None:
    path = written(tmp_path / "alerts.jsonl", [alert("i", format=2)])
    with opened(path) as client:
        wait_until(lambda: source(client)["state"] == "too old")
        assert "version 2" in source(client)["message"]
        assert client.json("incidents")["total"] == 0
        written(path, [alert("i")], mode="w")
        wait_until(lambda: source(client)["state"] == "live")
        assert client.json("incidents")["total"] == 1


def test_broken_rows_are_counted_and_named(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.jsonl", [scored(1), scored(2, ts="noon"), scored(3)])
    with opened(path) as client:
        client.loaded(2)
        assert source(client)["broken"] == 1
        assert "1 rows are left out" in source(client)["message"]
        assert "noon" in source(client)["message"]


def test_a_file_of_a_new_run_replaces_the_rows_of_the_old_one(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.jsonl", [scored(event) for event in range(50)])
    alerts = written(tmp_path / "alerts.jsonl", [alert("i1")])
    with opened(tmp_path) as client:
        client.loaded(50)
        written(path, [scored(event, key="b") for event in range(3)], mode="w")
        written(alerts, [alert("i2")], mode="w")
        wait_until(lambda: client.json("state")["rows"] == 3)
        wait_until(lambda: [each["incident"] for each in client.json("incidents")["incidents"]] == ["i2"])
        assert client.json("state")["keys"] == [{"key": "b", "rows": 3}]


def test_other_files_of_a_folder_are_left_alone(tmp_path: Path) -> None:
    written(tmp_path / "scores.jsonl", [scored(1)])
    written(tmp_path / "labels.jsonl", [{"label": 1}])
    (tmp_path / "dataflow.log").write_text("started\n")
    with opened(tmp_path) as client:
        client.loaded(1)
        wait_until(lambda: [each["stream"] for each in client.json("state")["streams"]] == ["scores"])


def test_a_name_says_what_an_output_holds(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", [scored(1)])
    with opened(f"scores={path}") as client:
        assert source(client)["stream"] == "scores"
        client.loaded(1)


def test_small_streams_are_counted_over_time(tmp_path: Path) -> None:
    written(tmp_path / "scores.jsonl", [scored(event * 1000) for event in range(60)])
    late = {"key": "a", "ts": "2026-01-01T00:00:10.000000Z", "watermark": "2026-01-01T00:20:00.000000Z"}
    written(
        tmp_path / "late.jsonl",
        [late | {"id": f"l{n}", "late_by_us": 5, "missed": [], "text": "t"} for n in (0, 1, 1)],
    )
    letter = {"reason": "malformed", "message": "m", "partition": "p", "raw": "?"}
    arrival = {"arrival": "2026-01-01T00:00:30.000000Z"}
    written(tmp_path / "dead_letters.jsonl", [letter | {"offset": n, "envelope": arrival} for n in range(4)])
    window = {"key": "a", "window_start": "2026-01-01T00:00:00Z", "window_end": "2026-01-01T00:10:00Z"}
    shares = [
        {"cluster": n, "state": "steady", "share": 0.5, "before": 0.5, "examples": [f"c{n}"]} for n in (0, 1)
    ]
    numbers = {"revision": 0, "rows": 60, "rows_seen": 60, "score_p50": 0, "score_p99": 1, "score_max": 1}
    written(tmp_path / "windows.jsonl", [window | numbers | {"clusters": shares}])
    drift = window | {"format": 1, "revision": 0, "state": "tested", "rows": 60, "inertia": 0.1, "fitted": 1}
    written(tmp_path / "drift.jsonl", [drift | {"p_value": 0.01, "clusters": [], "before_end": None}])
    with opened(tmp_path) as client:
        client.loaded(60)
        wait_until(lambda: len(client.json("state")["streams"]) == 5)
        time = client.json("time", **{"from": START, "to": START + MINUTE, "buckets": 60})
    assert (sum(time["rows"]), sum(time["late"]), sum(time["dead_letters"])) == (60, 2, 4)
    assert time["late"][10] == 2
    assert time["dead_letters"][30] == 4
    assert time["watermark"][10] == START + 20 * MINUTE
    assert [each["p_value"] for each in time["drift"]] == [0.01]
    assert time["clusters"]["key"] == "a"
    assert [each["share"] for each in time["clusters"]["clusters"]] == [[0.5], [0.5]]
    assert time["clusters"]["clusters"][1]["example"] == "c1"


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/out",
        "http://host/x",
        "kafka://host:9092",
        "delta:",
        "kafka://user:secret@host/t",
        "out?x=1",
    ],
)
def test_a_wrong_uri_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        named_uri(text)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_new_run_in_one_folder_leaves_the_rows_of_another_alone(tmp_path: Path) -> None:
    late = {"ts": "2026-01-01T00:00:10Z", "watermark": "2026-01-01T00:20:00Z", "late_by_us": 5, "missed": []}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "scores.jsonl", [scored(1, key=name)])
        written(tmp_path / name / "alerts.jsonl", [alert(name, key=name)])
        written(tmp_path / name / "late.jsonl", [late | {"id": name, "key": name}])

    def known(client: Opened) -> tuple[set[str], set[str], int]:
        keys = {each["key"] for each in client.json("state")["keys"]}
        incidents = {each["incident"] for each in client.json("incidents")["incidents"]}
        window = {"from": START, "to": START + MINUTE}
        return keys, incidents, sum(client.json("time", **window)["late"])

    with opened(tmp_path / "a", tmp_path / "b") as client:
        wait_until(lambda: known(client) == ({"a", "b"}, {"a", "b"}, 2))
        written(tmp_path / "a" / "scores.jsonl", [scored(1, key="c")], mode="w")
        written(tmp_path / "a" / "alerts.jsonl", [alert("c", key="c")], mode="w")
        written(tmp_path / "a" / "late.jsonl", [], mode="w")
        wait_until(lambda: known(client) == ({"b", "c"}, {"b", "c"}, 1))
