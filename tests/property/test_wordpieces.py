"""Texts that are tokenised piece by piece have the ids that the tokenizer gives them as a whole."""

import functools
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from dataflow.embed.wordpieces import Pieces
from tests.support.paths import ROOT
from tests.support.tokenizers import small_tokenizer

SWITCHES = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
CASES: dict[str, Any] = {
    f"{form}-{''.join('ny'[each] for each in values)}": small_tokenizer(
        form, **dict(zip(SWITCHES, values, strict=True))
    )
    for form in ("bert", "mpnet")
    for values in itertools.product((False, True), repeat=4)
}
CASES["no-truncation"] = small_tokenizer("mpnet", max_length=None)
CASES["no-room"] = small_tokenizer("bert", max_length=2)
# The tokenizers of real models, where they were exported.
for path in sorted((ROOT / "model_repo").glob("*/*/tokenizer.json")):
    CASES["-".join(path.parts[-3:-1])] = Tokenizer.from_file(str(path))

SPACES = st.sampled_from(
    [" ", "  ", "\t", "\n", "\r\n", "\x0b", "\x0c", "\xa0", "\u3000", "\u2028", "\x85", ""]
)
PARTS = st.one_of(
    st.sampled_from(["[CLS]", "[SEP]", "[MASK]", "[mask]", "<mask>", "<MASK>", "<unk>", "<UNK>", "<u\0nk>"]),
    st.sampled_from(
        ["the", "The", "undisk", "disk-10.10", "#fail", "##able", "cafe\u0301", "caf\xe9", "[UNK]", "<s>"]
    ),
    st.sampled_from(
        ["\u0301", "\u0301a", "\0", "\ufffd", "\u200d", "\xad", "\x7f", "\u0130", "\u03a3", "\ufb01"]
    ),
    st.sampled_from(["x" * 30, "1" * 200, "-" * 30, "\u65e5\u672c", "\U0001f600", "\U000e0001", "the" * 9]),
    st.text(st.characters(max_codepoint=0x17F), max_size=6),
    st.text(max_size=6),
)
TEXT = st.lists(st.one_of(PARTS, SPACES), max_size=20).map("".join)


@functools.cache
def pieces_of(name: str) -> Pieces:
    """One for all examples, so that it remembers pieces, and often forgets them."""
    tokenizer = CASES[name]
    tokenizer.no_padding()
    pieces = Pieces(tokenizer)
    pieces.MOST = 200
    return pieces


def expected(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return [tokenizer.encode(text).ids for text in texts]


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=30)
@given(st.lists(st.lists(TEXT, max_size=6), min_size=1, max_size=3))
def test_pieces_have_the_ids_of_the_whole(name: str, calls: list[list[str]]) -> None:
    pieces, tokenizer = pieces_of(name), CASES[name]
    for texts in calls:
        whole = expected(tokenizer, texts)
        assert pieces(texts).rows() == whole
        assert pieces([text.encode() for text in texts]).rows() == whole
