"""One log event is one line, as text or as JSON."""

import json
import logging
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.settings import Log
from dataflow.telemetry import logs
from dataflow.telemetry.logs import Line, call_sites, visible

CREATED = datetime(2026, 11, 23, 21, 45, 23, 978_999, timezone.utc)


@pytest.fixture
def written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., list[str]]]:
    """Logs a record at a fixed time with some options, and returns the lines on standard error."""
    root, ours = logging.getLogger(), logging.getLogger("dataflow")
    levels = root.level, ours.level
    monkeypatch.setattr(root, "handlers", [])

    def write(
        message: object, *, logger: str = "dataflow.test", number: int = logging.INFO, **options: Any
    ) -> list[str]:
        logs.start(Log(**options))
        log = logging.getLogger(logger)
        if log.isEnabledFor(number):
            record = log.makeRecord(logger, number, "", 0, message, (), None)
            record.created = CREATED.timestamp()
            log.handle(record)
        return capsys.readouterr().err.splitlines()

    yield write
    logging.captureWarnings(False)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


Write = Callable[..., list[str]]


def test_text_has_the_time_the_level_and_the_sentence(written: Write) -> None:
    assert written(Line("one", "a  sentence\non two lines", n=1)) == [
        "2026-11-23T21:45:23.978Z info    a sentence on two lines"
    ]
    assert written(Line("error", "it ends"), number=logging.CRITICAL) == ["driftline: it ends"]


def test_json_has_the_name_and_the_fields_of_the_line(written: Write) -> None:
    (line,) = written(Line("one", "a sentence\x1b", n=1, path=None), format="json")
    assert json.loads(line) == {
        "time": "2026-11-23T21:45:23.978Z",
        "level": "info",
        "event": "one",
        "message": "a sentence\x1b",
        "n": 1,
        "path": None,
    }
    (line,) = written("their words", logger="other", number=logging.WARNING, format="json")
    assert (json.loads(line)["event"], json.loads(line)["logger"]) == ("log", "other")


NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@pytest.mark.parametrize("level", NUMBERS)
def test_the_level_bounds_our_lines_and_other_packages_only_warn(written: Write, level: str) -> None:
    for number in NUMBERS.values():
        ours = written(Line("one", "x"), number=number, level=level)
        others = written("x", logger="other", number=number, level=level)
        assert (len(ours), len(others)) == (number >= NUMBERS[level], number >= logging.WARNING)


@given(st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_visible_text_has_no_control_characters(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not any(unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF") for c in shown)
    assert visible(shown) == shown
    if text.isprintable():
        assert shown == text


def test_call_sites_end_where_the_error_was_raised() -> None:
    def inner() -> None:
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        inner()
    assert call_sites(caught.value.__traceback__)[-1].endswith(" in inner")
    assert call_sites(None) == []
