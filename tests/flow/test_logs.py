"""A real run logs each event once, on one line, and logs neither texts nor secrets."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dataflow import settings
from dataflow.doctor import Finding
from dataflow.doctor import __main__ as doctor
from dataflow.flow import flow
from dataflow.telemetry import logs
from dataflow.telemetry.logs import Line
from tests.support import flows
from tests.support.flows import TEXT, environment, recovery, write_mixed

SECRET = "hunter2"


def run(folder: Path, *flags: str, code: int = 0, **settings: str) -> str:
    secret = {"DRIFTLINE_KAFKA__SASL_PASSWORD": SECRET, "DRIFTLINE_KAFKA__SSL_KEY_PASSWORD": SECRET}
    env = environment(folder) | {"DRIFTLINE_LOG__FORMAT": "json"} | secret | settings
    return flows.run(env, *flags, code=code)


def events(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def test_a_run_with_bad_records_is_a_few_lines_without_texts(tmp_path: Path) -> None:
    write_mixed(tmp_path)
    # One event is hours ahead and makes another late. The guard against bad clocks would ignore the first.
    written = run(tmp_path, DRIFTLINE_LOG__LEVEL="debug", DRIFTLINE_WINDOW__MAX_JUMP="0s")
    assert TEXT not in written
    assert SECRET not in written
    told = events(written)
    counted = Counter(e["event"] for e in told)
    assert counted.pop("window_closed") > 2
    once = ("start", "partition_opened", "partition_ended", "dead_letters", "late_events", "stop")
    assert counted == dict.fromkeys(once, 1) | {"dead_letter": 2}
    by_name = {e["event"]: e for e in told}
    assert by_name["start"]["settings"]["kafka.sasl_password"] == "**********"
    assert by_name["start"]["settings"]["window.delay"] == "0:01:00"
    assert (by_name["start"]["model"], by_name["start"]["model_version"]) == ("null", "1")
    assert by_name["dead_letters"]["reasons"] == {"malformed": 400, "bad_time": 300}
    assert by_name["late_events"]["rows"] == 1
    path = tmp_path / "0.jsonl"
    assert by_name["partition_opened"]["partition"] == str(path)
    assert by_name["partition_ended"]["position"] == path.stat().st_size
    assert by_name["dead_letter"].keys() == {
        "time", "level", "event", "message", "reason", "partition", "offset",
    }  # fmt: skip


@pytest.mark.parametrize("texts", ["false", "true"])
def test_an_error_that_quotes_an_event(tmp_path: Path, texts: str) -> None:
    write_mixed(tmp_path)
    written = run(
        tmp_path, code=1, DRIFTLINE_LOG__TEXTS=texts, DRIFTLINE_SCORE__KIND="tests.support.scorers:quoting"
    )
    last = events(written)[-1]
    assert (last["event"], last["exit_code"]) == ("error", 1)
    assert "ValueError" in last["message"]
    assert any(place.endswith(" in quoting") for place in last["traceback"])
    assert (TEXT in last["message"]) == (TEXT in written) == (texts == "true")


def test_a_restart_says_where_it_goes_on(tmp_path: Path) -> None:
    write_mixed(tmp_path)
    flags = recovery(tmp_path / "recovery")
    run(tmp_path, *flags, DRIFTLINE_WINDOW__ON_EOF="keep")
    size = (tmp_path / "0.jsonl").stat().st_size
    (opened,) = (e for e in events(run(tmp_path, *flags)) if e["event"] == "partition_opened")
    assert (opened["resumed"], opened["position"]) == (True, size)


@pytest.mark.parametrize(
    "wrong",
    [
        {"DRIFTLINE_WINDOW__LENGHT": "10m"},
        {"DRIFTLINE_WINDOWS__LENGTH": "10m"},
        {"DRIFTLINE_CONFIG": "not/there.toml"},
        {"DRIFTLINE_SOURCE__URI": "file:not/there.jsonl"},
        {"DRIFTLINE_KAFKA__SASL_PASSWRD": SECRET},
        {"DRIFTLINE_SINK__SCORES": f"kafka://user:{SECRET}@localhost/topic"},
        {"DRIFTLINE_LOG__LEVEL": "loud"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_mistake_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: dict[str, str],
) -> None:
    write_mixed(tmp_path)
    for name, value in (environment(tmp_path) | {"DRIFTLINE_LOG__FORMAT": "json"} | wrong).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        flow()
    assert caught.value.code == 2
    written = capsys.readouterr().err
    assert SECRET not in written
    if "DRIFTLINE_LOG__LEVEL" in wrong:  # nobody knows then what was meant
        assert written.startswith("driftline: DRIFTLINE_LOG__LEVEL='loud': ")
    else:
        (error,) = events(written)
        assert (error["level"], error["event"], error["exit_code"]) == ("critical", "error", 2)


def test_for_a_reader(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start(settings.Log())
    logger = logging.getLogger("dataflow.test")
    logger.info(Line("one", "100 % of\nit", n=1))
    logger.debug(Line("two", "not shown"))
    logger.critical(Line("error", "it ends"))
    one, end = capsys.readouterr().err.splitlines()
    assert one.endswith("Z info    100 % of it")
    assert end == "driftline: it ends"


def test_what_others_say_moves_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Without pytest's own handlers: pytest-xdist cannot send a report with half of a surrogate pair.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.start(settings.Log())
    logging.getLogger("dataflow.test").warning(Line("one", "k\x1b[2J\x07\x7f\x9b1m\u202e\ud800é"))
    said = capsys.readouterr().err
    assert said.endswith("k\\x1b[2J\\x07\\x7f\\x9b1m\\u202e\\ud800é\n")


def test_the_doctor_moves_no_terminal() -> None:
    assert "a\\x1b[2J" in doctor._line(Finding("source", "ok", "a\x1b[2J"))
