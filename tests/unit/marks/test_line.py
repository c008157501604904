"""Lines of a file of marks."""

import json

import pytest

from dataflow.clock import FOREVER
from dataflow.marks.line import parse
from tests.support.marks import line

BAD = {
    "no JSON": ("{", "Invalid JSON"),
    "no object": ("[]", "Input should be an object"),
    "mark": (line("expcted", "a"), "mark='expcted': Input should be 'expected', 'real' or 'none'"),
    "no ts": ('{"mark": "real", "text": "a"}', "ts: Field required"),
    "ts": (line("real", "a", "yesterday"), "ts='yesterday': Input should be a valid datetime"),
    "no zone": (line("real", "a", "2026-01-01T00:00:00"), "ts='2026-01-01T00:00:00': .*timezone"),
    "number as ts": (line("real", "a", 5), "ts='5': Input should be a valid datetime"),
    "no text": (line("real", None), "text is missing: real needs the text that it is about"),
    "blank": (line("real", " "), "text: is blank"),
    "which": (line("none", None), "id is missing: none needs the id, or the text and the key, of a mark"),
    "until": (line("real", "a", until="1970-01-01T00:00:00Z"), "until is not later than ts"),
    "format": (line("real", "a", format=2), "format='2': Input should be less than or equal to 1"),
    "name": (line("real", "a", untill="x"), "untill: Extra inputs are not permitted"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_line_names_the_field_and_what_is_wrong(case: str) -> None:
    raw, said = BAD[case]
    with pytest.raises(ValueError, match=f"^{said}"):
        parse(raw.encode())


def test_what_is_wrong_with_a_text_does_not_repeat_the_text() -> None:
    with pytest.raises(ValueError, match=r"^text: ") as error:
        parse(json.dumps({"mark": "real", "text": ["secret"], "ts": "2026-01-01T00:00:00Z"}).encode())
    assert "secret" not in str(error.value)


def test_times_are_ends_of_windows() -> None:
    mark = parse(line("expected", "a", "1970-01-01T01:00:01+01:00", until="1970-01-01T00:00:02Z").encode())
    assert (mark.first, mark.end) == (1_000_000, 2_000_000)
    assert parse(line("expected", "a").encode()).end == FOREVER


def test_a_mark_without_id_is_named_by_text_and_key() -> None:
    names = [
        parse(line("expected", text, key=key, id=id).encode()).name
        for text, key, id in (("a", None, None), ("a", "k", None), ("b", "k", None), ("b", "k", "x"))
    ]
    assert len(set(names)) == 4
    assert names[0] == parse(line("none", "a").encode()).name
    assert names[3] == "x"
