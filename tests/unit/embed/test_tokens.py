"""How texts are cut into batches: what goes into each, and what padding costs."""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from dataflow.embed.tokens import CPU, GPU, Tokens, cuts, padded_lengths
from dataflow.embed.wordpieces import Int64s
from tests.support.paths import ROOT
from tests.support.tokenizers import saved, small_tokenizer


def longest_first(lengths: list[int]) -> Int64s:
    return np.array(sorted(lengths, reverse=True), np.int64)


def cost(lengths: Int64s, batches: list[tuple[int, int]], call_tokens: int) -> int:
    return sum((last - first) * int(lengths[first]) + call_tokens for first, last in batches)


@given(
    st.lists(st.integers(1, 300), max_size=200),
    st.integers(1, 600),
    st.integers(1, 40),
    st.integers(0, 200),
)
def test_every_row_is_in_one_batch_and_no_batch_is_too_large(
    lengths: list[int], max_tokens: int, max_rows: int, call_tokens: int
) -> None:
    rows = longest_first(lengths)
    found = cuts(rows, max_tokens=max_tokens, max_rows=max_rows, call_tokens=call_tokens)
    assert [row for first, last in found for row in range(first, last)] == list(range(len(rows)))
    for first, last in found:
        assert 1 <= last - first <= max_rows
        assert last - first == 1 or (last - first) * rows[first] <= max_tokens


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True), st.integers(0, 12))
def test_no_other_way_to_cut_costs_less(lengths: list[int], call_tokens: int) -> None:
    rows = longest_first(lengths)
    found = cuts(rows, max_tokens=1000, max_rows=1000, call_tokens=call_tokens)
    inner = range(1, len(rows))
    ways = itertools.chain.from_iterable(itertools.combinations(inner, n) for n in range(len(rows)))
    best = min(cost(rows, list(itertools.pairwise([0, *way, len(rows)])), call_tokens) for way in ways)
    assert cost(rows, found, call_tokens) == best


def test_what_costs_a_call_decides_between_padding_and_calls() -> None:
    rows = longest_first([100] * 10 + [10] * 10)
    limits = {"max_tokens": 4096, "max_rows": 256}
    assert cuts(rows, call_tokens=24, **limits) == [(0, 10), (10, 20)]
    assert cuts(rows, call_tokens=5000, **limits) == [(0, 20)]
    assert cuts(longest_first([8] * 130), max_tokens=1024, max_rows=256, call_tokens=24) == [
        (0, 65),
        (65, 130),
    ]


@pytest.mark.parametrize(("pool", "at_most"), [(256, 1.04), (1024, 1.012)])
def test_padding_of_texts_of_natural_lengths(pool: int, at_most: float) -> None:
    draw = np.random.default_rng(0)
    # SMS and log lines by tokens: half have up to 20, one in a hundred more than 100.
    lengths = np.sort(np.clip(draw.lognormal(np.log(20), 0.7, pool), 3, 256).astype(np.int64))[::-1]
    limits = {"max_tokens": CPU.max_tokens, "max_rows": CPU.max_rows, "call_tokens": CPU.call_tokens}
    found = cuts(lengths, **limits)
    computed = sum(int(lengths[first]) * (last - first) for first, last in found)
    assert computed / lengths.sum() <= at_most
    assert len(found) <= pool / 6


def test_lengths_are_padded_to_the_next_bucket() -> None:
    given = np.array([300, 16, 15, 9, 8, 0], np.int64)
    assert padded_lengths(given, (8, 16)).tolist() == [300, 16, 16, 16, 8, 8]
    assert padded_lengths(given, ()).tolist() == [300, 16, 15, 9, 8, 1]


def test_from_24_tokens_on_a_bucket_of_a_gpu_is_at_most_a_third_longer_than_its_texts() -> None:
    lengths = np.arange(24, GPU.buckets[-1] + 1)
    padded = padded_lengths(lengths, GPU.buckets)
    assert set(padded.tolist()) == set(GPU.buckets[2:])
    assert (padded / lengths).max() <= 4 / 3
    assert not CPU.buckets


def byte_pairs() -> Any:
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer: Any = Tokenizer(models.BPE(letters, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    return tokenizer


@pytest.mark.parametrize("form", ["bert", "mpnet", "another"])
@pytest.mark.parametrize("kind", [str, bytes])
@settings(max_examples=20)
@given(texts=st.lists(st.text(st.sampled_from("the disk 10."), max_size=40), max_size=20))
def test_a_batch_holds_the_padded_ids_of_its_texts(
    form: str, kind: type, texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokenizer = byte_pairs() if form == "another" else small_tokenizer(form)
    tokens = Tokens(saved(tokenizer, tmp_path_factory.mktemp("tokenizer"), pad_id=7))
    given = [text.encode() for text in texts] if kind is bytes else texts
    found: dict[int, list[int]] = {}
    for batch in tokens.batches(given, max_tokens=64, max_rows=5, buckets=(8, 12)):
        # By number: to numpy, a long long of the same size is equal, but OpenVINO refuses it.
        assert batch.input_ids.dtype.num == batch.attention_mask.dtype.num == np.dtype(np.int64).num
        assert (batch.input_ids[batch.attention_mask == 0] == 7).all()
        for row, ids, mask in zip(batch.rows.tolist(), batch.input_ids, batch.attention_mask, strict=True):
            assert mask.tolist() == sorted(mask.tolist(), reverse=True)
            found[row] = ids[mask == 1].tolist()
    tokenizer.no_padding()
    assert found == {row: tokenizer.encode(text).ids for row, text in enumerate(texts)}


def test_the_two_files_run_without_the_package(tmp_path: Path) -> None:
    for name in ("tokens.py", "wordpieces.py"):
        shutil.copy(ROOT / "dataflow" / "embed" / name, tmp_path)
    path = saved(small_tokenizer("bert"), tmp_path, pad_id=0)
    code = f"import tokens; [batch] = tokens.Tokens({str(path)!r}).batches(['', 'the']); print(batch.rows)"
    found = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True)
    assert found == "[1 0]\n"
