"""The log of a stream grows with the clock, not with what is wrong with its records."""

import logging
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import settings
from dataflow.items import schemas
from dataflow.items.schemas import REASONS
from dataflow.telemetry.digest import Digest
from dataflow.telemetry.logs import Line

BATCHES = st.lists(st.tuples(st.floats(0, 30), st.lists(st.sampled_from(REASONS))), max_size=30)


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert isinstance(record.msg, Line)
        self.events.append(record.msg)


@given(BATCHES)
def test_every_dead_letter_is_counted_once_in_few_lines(batches: list[tuple[float, list[str]]]) -> None:
    now, heard, logger = 0.0, Heard(), logging.getLogger("dataflow.telemetry.digest")
    logger.addHandler(heard)
    try:
        digest = Digest(settings.Log(interval=timedelta(seconds=10)), lambda: now)
        for seconds, reasons in batches:
            now += seconds
            digest.dead_letters(schemas.dead_letters([(r, "message", "p", 1, b"raw") for r in reasons]))
        digest.report()
    finally:
        logger.removeHandler(heard)
    every = Counter(reason for _, reasons in batches for reason in reasons)
    first = [event.fields["reason"] for event in heard.events if event.name == "dead_letter"]
    assert sorted(map(str, first)) == sorted(every)
    counted: Counter[str] = Counter()
    for event in heard.events:
        if event.name == "dead_letters":
            reasons_told = event.fields["reasons"]
            assert isinstance(reasons_told, dict)
            counted.update(reasons_told)
    assert counted == every
    assert len(heard.events) - len(first) <= now / 10 + 1


@pytest.mark.parametrize("texts", [False, True])
def test_what_is_wrong_with_a_record_is_told_on_request(
    caplog: pytest.LogCaptureFixture, texts: bool
) -> None:
    letters = schemas.dead_letters([("bad_time", "ts: 'a text' is no time", "p", 7, b"a text")])
    Digest(settings.Log(texts=texts), lambda: 0.0).dead_letters(letters)
    assert "bad_time, at p:7" in caplog.text
    (event,) = (record.msg for record in caplog.records)
    assert isinstance(event, Line)
    assert ("a text" in caplog.text) == ("problem" in event.fields) == texts


def test_windows_are_told_at_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    # Before the year 1, where Python's datetime ends.
    start = -(1 << 56)
    digest = Digest(settings.Log(), lambda: 0.0)
    with caplog.at_level(logging.INFO, "dataflow"):
        digest.window("k", start, 0, 3)
        assert not caplog.records
    with caplog.at_level(logging.DEBUG, "dataflow"):
        digest.window("k", start, 0, 3)
    assert "of 'k': 3 rows" in caplog.text
