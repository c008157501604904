"""The length of the log depends on time, not on the number of bad records."""

import logging
from collections import Counter
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import rfc3339
from dataflow.items import schemas
from dataflow.items.schemas import REASONS
from dataflow.settings import Log
from dataflow.telemetry.digest import Digest
from dataflow.telemetry.logs import Line
from tests.support.batches import filled

BATCHES = st.lists(st.tuples(st.floats(0, 30), st.lists(st.sampled_from(REASONS))), max_size=30)


class Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert isinstance(record.msg, Line)
        self.lines.append(record.msg)


@given(BATCHES)
def test_every_dead_letter_is_counted_once_in_few_lines(batches: list[tuple[float, list[str]]]) -> None:
    now, collected, logger = 0.0, Collected(), logging.getLogger("dataflow.telemetry.digest")
    logger.addHandler(collected)
    try:
        digest = Digest(Log(interval=timedelta(seconds=10)), lambda: now)
        for seconds, reasons in batches:
            now += seconds
            digest.dead_letters(schemas.dead_letters([(r, "message", "p", 1, b"raw") for r in reasons]))
        digest.report()
    finally:
        logger.removeHandler(collected)
    every = Counter(reason for _, reasons in batches for reason in reasons)
    first = [event.fields["reason"] for event in collected.lines if event.name == "dead_letter"]
    assert sorted(map(str, first)) == sorted(every)
    counted: Counter[str] = Counter()
    for event in collected.lines:
        if event.name == "dead_letters":
            reasons_logged = event.fields["reasons"]
            assert isinstance(reasons_logged, dict)
            counted.update(reasons_logged)
    assert counted == every
    assert len(collected.lines) - len(first) <= now / 10 + 1


@pytest.mark.parametrize("texts", [False, True])
def test_what_is_wrong_with_a_record_is_logged_on_request(
    caplog: pytest.LogCaptureFixture, texts: bool
) -> None:
    letters = schemas.dead_letters([("bad_time", "ts: 'a text' is no time", "p", 7, b"a text")])
    Digest(Log(texts=texts), lambda: 0.0).dead_letters(letters)
    assert "bad_time, at p:7" in caplog.text
    (event,) = (record.msg for record in caplog.records)
    assert isinstance(event, Line)
    assert ("a text" in caplog.text) == ("problem" in event.fields) == texts


def test_windows_are_logged_at_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    # Before the year 1, where Python's datetime ends.
    start = pa.array([-(1 << 56)], pa.int64()).cast(schemas.TIMESTAMP)
    one, two = (filled(schemas.WINDOW_SUMMARY, key=key, rows=n) for key, n in (("k", 3), ("j", 4)))
    summary = pa.concat_batches([one.set_column(1, schemas.WINDOW_SUMMARY.field(1), start), two])
    digest = Digest(Log(), lambda: 0.0)
    with caplog.at_level(logging.INFO, "dataflow"):
        digest.windows(summary)
        assert not caplog.records
    with caplog.at_level(logging.DEBUG, "dataflow"):
        digest.windows(summary)
    assert "of 'k': 3 rows" in caplog.text
    (first, second) = (record.msg for record in caplog.records)
    assert isinstance(first, Line)
    assert isinstance(second, Line)
    assert (first.fields["window_start"], second.fields["key"]) == (rfc3339(-(1 << 56)), "j")
