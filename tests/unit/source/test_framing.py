"""The records that a stream of bytes is cut into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.source.framing import Framer
from tests.support.sources import Records


def frame(format: str, *blocks: bytes, limit: int = 1000) -> Records:
    framer = Framer(format, limit)
    return [record for block in blocks for record in framer.feed(block)] + framer.close()


@pytest.mark.parametrize(
    ("format", "data", "expected"),
    [
        ("jsonl", b"a\nbc\n", [(0, b"a"), (2, b"bc")]),
        ("jsonl", b"a\nbc", [(0, b"a"), (2, b"bc")]),
        ("text", b"a\r\n\r\n \t\r\nb\r", [(0, b"a"), (9, b"b")]),
        ("text", b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [(0, b"a"), (5, b"\xef\xbb\xbfb")]),
        ("text", b'say "a\nb"', [(0, b'say "a'), (7, b'b"')]),
        ("csv", b'1,"a\nb"\n2,c', [(0, b'1,"a\nb"'), (8, b"2,c")]),
        ("csv", b'"a\r\n""\r\n",2\r\n3,4', [(0, b'"a\r\n""\r\n",2'), (13, b"3,4")]),
        ("csv", b'1,5" pipe\n2,""\n3,c', [(0, b'1,5" pipe'), (10, b'2,""'), (15, b"3,c")]),
        ("csv", b'1,"never closed\n2,b\n', [(0, b'1,"never closed\n2,b\n')]),
        ("csv", b'"x","a\n","b\n"\n2', [(0, b'"x","a\n","b\n"'), (14, b"2")]),
    ],
)
def test_records_and_their_offsets(format: str, data: bytes, expected: Records) -> None:
    assert frame(format, data) == expected


def test_of_a_record_that_is_too_large_one_byte_more_than_the_limit_is_kept() -> None:
    data = b"abc\n" + b"x" * 50 + b"\nabcd\n" + b"y" * 9
    expected = [(0, b"abc"), (4, b"xxxxx"), (55, b"abcd"), (60, b"yyyyy")]
    assert frame("text", data, limit=4) == expected
    assert frame("text", *(data[i : i + 3] for i in range(0, len(data), 3)), limit=4) == expected


def test_a_record_that_is_too_large_ends_at_a_line_end_even_in_quotes() -> None:
    assert frame("csv", b'1,"aaaaaaaa\nb\n2,c\n', limit=6) == [(0, b'1,"aaaa'), (12, b"b"), (14, b"2,c")]


pieces = st.sampled_from([b"\n", b"\r\n", b'"', b'""', b",", b"ab", b" ", b"\xef\xbb\xbf", b"0123456789"])


@given(st.lists(pieces, max_size=30).map(b"".join), st.sampled_from(["text", "csv"]), st.data())
def test_where_blocks_are_cut_means_nothing(data: bytes, format: str, more: st.DataObject) -> None:
    cuts = sorted(more.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    blocks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert frame(format, *blocks, limit=8) == frame(format, data, limit=8)


@given(st.lists(pieces, max_size=30).map(b"".join))
def test_an_offset_is_where_the_record_stands(data: bytes) -> None:
    found = frame("text", data)
    assert [raw.strip() for raw in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if raw.strip()] == [
        raw.strip() for _, raw in found
    ]
    for offset, raw in found:
        assert data[offset:].removeprefix(b"\xef\xbb\xbf" if offset == 0 else b"").startswith(raw)
