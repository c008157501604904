"""Which tokenizers are used piece by piece, and what is remembered."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from dataflow.embed import wordpieces
from dataflow.embed.wordpieces import Pieces, Whole, is_local, tokenise
from tests.support.tokenizers import small_tokenizer

TEXTS = ["the disk", "", "  disk 10.10 failed", "caf\xe9 [MASK]<mask> the", "the " * 20]


def changed(change: Callable[[Any], object], form: str = "bert") -> Any:
    tokenizer = small_tokenizer(form)
    change(tokenizer)
    return tokenizer


def byte_pairs(_: Any) -> Any:
    alphabet = {letter: number for number, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    tokenizer: Any = Tokenizer(models.BPE(alphabet, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    return tokenizer


def unigrams(_: Any) -> Any:
    tokenizer: Any = Tokenizer(models.Unigram([("<unk>", 0.0), ("\u2581", -1.0), ("t", -2.0)], 0, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


OTHERS: dict[str, Any] = {
    "byte pairs": byte_pairs(None),
    "unigrams": unigrams(None),
    "cut on the left": changed(lambda it: it.enable_truncation(12, direction="left")),
    "stride": changed(lambda it: it.enable_truncation(12, stride=2)),
    "another normalizer": changed(lambda it: setattr(it, "normalizer", normalizers.Lowercase())),
    "no normalizer": changed(lambda it: setattr(it, "normalizer", None)),
    "another split": changed(lambda it: setattr(it, "pre_tokenizer", pre_tokenizers.Whitespace())),
    "a token with a space": changed(lambda it: it.add_tokens(["the disk"])),
    "other special tokens": changed(lambda it: setattr(it, "post_processor", processors.ByteLevel())),
}


@pytest.mark.parametrize("form", ["bert", "mpnet"])
@pytest.mark.parametrize("max_length", [None, 2, 3, 12])
def test_the_tokenizers_of_bert_and_mpnet_are_used_piece_by_piece(form: str, max_length: int | None) -> None:
    tokenizer = small_tokenizer(form, max_length=max_length)
    found = tokenise(tokenizer)
    assert isinstance(found, Pieces)
    assert found(TEXTS).rows() == [tokenizer.encode(text).ids for text in TEXTS]
    assert found([]).rows() == []


@pytest.mark.parametrize("kind", OTHERS)
def test_any_other_tokenizer_gets_whole_texts(kind: str) -> None:
    tokenizer = OTHERS[kind]
    assert not is_local(json.loads(tokenizer.to_str()))
    found = tokenise(tokenizer)
    assert isinstance(found, Whole)
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    assert found(TEXTS).rows() == found([text.encode() for text in TEXTS]).rows() == ids
    assert found([]).rows() == []


def test_a_tokenizer_that_turns_out_different_gets_whole_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpieces, "is_local", lambda state: True)
    assert isinstance(tokenise(OTHERS["another split"]), Whole)
    assert isinstance(tokenise(small_tokenizer("bert")), Pieces)


def test_the_order_of_special_tokens_is_kept() -> None:
    tokenizer = small_tokenizer("bert")
    around = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]", "[MASK]")]
    template = "[SEP] [MASK] $A [SEP] [CLS] [MASK]"
    tokenizer.post_processor = processors.TemplateProcessing(template, special_tokens=around)
    assert Pieces(tokenizer)(TEXTS).rows() == [tokenizer.encode(text).ids for text in TEXTS]


@pytest.mark.parametrize("kind", [str, bytes])
def test_a_piece_is_tokenised_once(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: Any = TEXTS if kind is str else np.array([text.encode() for text in TEXTS], object)
    pieces = Pieces(small_tokenizer("bert"))
    first = pieces(texts).rows()
    assert len(pieces) == len({piece for text in TEXTS for piece in text.split(" ")})
    monkeypatch.setattr(wordpieces, "_decoded", None)  # what is called for each new piece
    assert pieces(texts[::-1]).rows() == first[::-1]


@pytest.mark.parametrize("bound", ["MOST", "MOST_CHARS"])
def test_what_is_remembered_is_bounded(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = small_tokenizer("bert")
    monkeypatch.setattr(Pieces, bound, 400)
    pieces = Pieces(tokenizer)
    for number in range(300):
        text = f"the {number} {number}-{number}"
        assert pieces([text]).rows() == [tokenizer.encode(text).ids]
        assert len(pieces) < 410
    assert len(pieces) < 300


@pytest.mark.parametrize("bad", [b"the \xff disk", b"\xc3", b"the caf\xc3 \xa9"])
def test_bytes_that_are_not_utf_8_are_refused_each_time(bad: bytes) -> None:
    tokenizer = small_tokenizer("bert")
    for ids in (Pieces(tokenizer), Whole(tokenizer)):
        for _ in range(2):
            with pytest.raises(UnicodeDecodeError):
                ids([b"a new piece", bad, b"one more"])
        assert ids([b"one more new piece"]).rows() == [tokenizer.encode("one more new piece").ids]


def test_threads_share_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = small_tokenizer("mpnet")
    monkeypatch.setattr(Pieces, "MOST", 50)
    pieces = Pieces(tokenizer)
    calls = [[f"the {number * turn % 97} disk"] for turn in range(10) for number in range(50)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda texts: pieces(texts).rows(), calls))
    assert found == [[tokenizer.encode(text).ids for text in texts] for texts in calls]
