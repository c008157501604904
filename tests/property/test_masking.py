"""Masking: rows keep their number and order, to mask twice is to mask once, and ``re`` agrees with RE2."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.decode.masking import PATTERNS, masked, patterns_of
from tests.support.batches import TEXTS

#: Parts that patterns begin with, end with or trip over.
PARTS = [
    *(
        "0",
        "12",
        "2026",
        "a",
        "fe",
        "fede",
        "deadbeef",
        "abcdefab",
        "e29b",
        "a716",
        "a46655440000",
        "x",
        "ms",
    ),
    *("Nov ", "10:11:12", "2026-11-23", "PDT", "1.2.3.4", "fe80::", "::1", "::ffff:", "1:2:3:4:5:6:7:8"),
    *(
        "/usr",
        "/5",
        "C:\\",
        "~",
        "0x",
        "00:1b:44:11:3a:b7",
        "5e6",
        "-0500",
        "<number>",
        "<ip>",
        "é",
        "µ",
        "٣",
    ),
    *" :.-_/\\<>+,(=\n",
]
texts = st.lists(st.lists(st.sampled_from(PARTS), max_size=12).map("".join) | TEXTS, max_size=8)
masks = st.lists(st.sampled_from(sorted(PATTERNS)), min_size=1, unique=True).map(tuple)
#: Without the letters that RE2 and Python may class differently.
plain_texts = st.lists(st.text("0123afxzAZ .:,-+_/<>=()\"'[\n\u00e9", max_size=24), max_size=8)


def mask(batch: Sequence[str], *patterns: str) -> list[str]:
    column = pa.array(batch, pa.string())
    found = masked(column, patterns_of(patterns))
    assert found.type == pa.string()
    assert len(found) == len(batch)
    whole: list[str] = pc.coalesce(found, column).to_pylist()
    changed = [one != other for one, other in zip(whole, batch, strict=True)]
    assert found.is_valid().to_pylist() == changed
    return whole


@given(texts, masks)
@example(["5fe80::1"], ("ip", "number"))
@example(["5a50e8400-e29b-a1d4-a716-a46655440000"], ("uuid", "number"))
@example(["fe80::fe80::1"], ("ip",))
@example(["5/usr/lib"], ("path", "number"))
@example(["5x_6 5x__6 5_-7 5e6_1"], ("number",))
def test_to_mask_twice_is_to_mask_once(batch: list[str], patterns: tuple[str, ...]) -> None:
    once = mask(batch, *patterns)
    assert mask(once, *patterns) == once


@given(texts, masks, st.data())
def test_a_text_is_masked_by_itself_and_stays_in_its_place(
    batch: list[str], patterns: tuple[str, ...], data: st.DataObject
) -> None:
    assert mask(batch, *patterns) == [mask([text], *patterns)[0] for text in batch]
    assert mask(batch, *data.draw(st.permutations(patterns))) == mask(batch, *patterns)
    assert mask(batch) == batch


def number(text: str) -> str:
    unit = r"(?:[a-fA-F]{0,3}|[a-zA-Z]*[g-zG-Z][a-zA-Z]*)(?:(?![a-zA-Z0-9_])|_+[a-zA-Z])"
    digits = rf"[-+]?[0-9]+(?:[.,_][0-9]+)*(?:[eE][-+]?[0-9]+)?({unit})"
    return re.sub(rf"(?<![0-9a-zA-Z]){digits}", r"<number>\1", text)


def ip(text: str) -> str:
    """The addresses with three dots; the texts have no other address."""
    return re.sub(r"(?<![0-9a-zA-Z])(?<!\.)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![a-zA-Z0-9_])", "<ip>", text)


def own(text: str) -> str:
    return re.sub(r"a+[xz]?|[0-9]{2}-", "<own>", text)


@given(plain_texts)
def test_numbers_are_those_that_a_plain_expression_finds(batch: list[str]) -> None:
    assert mask(batch, "number") == [number(text) for text in batch]


@given(plain_texts | st.lists(st.from_regex(r"\A[ .:/a]?(?:[0-9]{1,4}\.){3,5}[0-9]{1,4}[ .:/a]?\Z")))
def test_addresses_are_those_that_a_plain_expression_finds(batch: list[str]) -> None:
    batch = [text.replace("::", ":") for text in batch]
    assert mask(batch, "ip") == [ip(text) for text in batch]


@given(plain_texts)
def test_a_pattern_of_the_user_is_replaced_as_python_replaces_it(batch: list[str]) -> None:
    assert mask(batch, "own=a+[xz]?|[0-9]{2}-") == [own(text) for text in batch]


@given(st.lists(st.text("bgkqvw .,;:!?", max_size=20), max_size=8), masks)
def test_a_text_without_a_match_is_unchanged(batch: list[str], patterns: tuple[str, ...]) -> None:
    assert mask(batch, *patterns) == batch
