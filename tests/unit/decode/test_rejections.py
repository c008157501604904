"""Why a record is rejected, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.decode.rejections import Rejections, shown


def test_a_row_keeps_its_first_rejection() -> None:
    rejections = Rejections()
    assert not rejections
    rejections.add(4, "malformed", "first")
    rejections.add_missing(4, "ts", "source.ts_field")
    rejections.add_missing(2, "ts", "source.ts_field")
    assert list(rejections) == [2, 4]
    assert 4 in rejections
    assert 3 not in rejections
    assert rejections[4] == ("malformed", "first")
    says = "ts: the field is absent or null; send the field, or name another one in source.ts_field"
    assert rejections[2] == ("missing_field", says)


def test_only_a_record_that_is_not_utf8_is_rejected_for_it() -> None:
    rejections = Rejections()
    assert rejections.decode_utf8(0, "é".encode()) == "é"
    assert rejections.decode_utf8(1, b"ab\xff") is None
    says = "the record is not UTF-8: byte 0xff at position 2; send UTF-8"
    assert [(row, rejections[row]) for row in rejections] == [(1, ("not_utf8", says))]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        ([1], "a JSON array"),
        ({}, "a JSON object"),
    ],
)
def test_a_value_is_shown_as_a_user_would_write_it(value: object, text: str) -> None:
    assert shown(value) == text


@given(st.text())
def test_a_long_value_is_cut(value: str) -> None:
    assert shown(value) == repr(value) if len(value) <= 60 else shown(value) == repr(value[:60] + "...")
