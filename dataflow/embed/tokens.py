"""From texts to encoder inputs: tokenise, sort by token length, cut where padding costs least, pad.

This one file runs in the dataflow (the in-process embedder) and in the model server: the export copies
it beside ``model_repo/sbert/1/model.py``, so the two cannot differ. It needs numpy and tokenizers only.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Int64s = npt.NDArray[np.int64]

#: What one run of the encoder costs besides its tokens, in tokens. Measured on CPUs: 1.5 ms, and MiniLM takes
#: 80 to 250 us a token, MPNet eight times that. On a GPU it is hundreds of times as many.
CALL_TOKENS = 12


class Batch(NamedTuple):
    """Texts of like length. ``rows``: (b,) their places in the input; the rest (b, length) int64."""

    rows: Int64s
    input_ids: Int64s
    attention_mask: Int64s


class Tokens:
    """The tokenizer stored beside a model: ``tokenizer.json`` holds truncation and the padding id."""

    def __init__(self, path: Path) -> None:
        tokenizer: Any = Tokenizer.from_file(str(path))
        self._tokenizer = tokenizer
        padding: dict[str, Any] = self._tokenizer.padding
        self._pad_id = int(padding["pad_id"])
        # Padding is done below, batch by batch, after sorting.
        self._tokenizer.no_padding()

    def batches(
        self,
        texts: Sequence[str],
        *,
        max_tokens: int,
        max_rows: int,
        call_tokens: int = CALL_TOKENS,
        buckets: Sequence[int] = (),
    ) -> Iterator[Batch]:
        """Cut ``texts`` into batches, longest first, of at most ``max_rows`` rows each.

        A batch holds at most ``max_tokens`` tokens, padding included, unless a single text has more.
        Every row of ``texts`` is in exactly one batch. ``buckets``: lengths, ascending, that a batch is
        padded to; one longer than the last keeps its own.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        lengths = np.fromiter(map(len, encodings), np.int64, len(encodings))
        order = np.argsort(-lengths, kind="stable")
        ids = np.fromiter(chain.from_iterable(encodings[i].ids for i in order), np.int64, lengths.sum())
        ends = np.cumsum(lengths[order])
        begin = 0
        padded = padded_lengths(lengths[order], buckets)
        for first, last in cuts(padded, max_tokens=max_tokens, max_rows=max_rows, call_tokens=call_tokens):
            rows, end = order[first:last], int(ends[last - 1])
            yield self._pad(rows, lengths[rows], ids[begin:end], int(padded[first]))
            begin = end

    def _pad(self, rows: Int64s, lengths: Int64s, ids: Int64s, length: int) -> Batch:
        real = np.arange(length) < lengths[:, None]
        input_ids = np.full(real.shape, self._pad_id, np.int64)
        input_ids[real] = ids
        return Batch(rows, input_ids, real.astype(np.int64))


def padded_lengths(lengths: Int64s, buckets: Sequence[int]) -> Int64s:
    """The smallest bucket that holds each length, at least 1; the length itself where none does."""
    ladder = np.asarray(buckets, np.int64)
    places = np.searchsorted(ladder, lengths)
    padded = np.maximum(lengths, 1)
    held = places < len(ladder)
    padded[held] = ladder[places[held]]
    return padded


def cuts(lengths: Int64s, *, max_tokens: int, max_rows: int, call_tokens: int) -> list[tuple[int, int]]:
    """Where to cut texts of ``lengths`` (n,), longest first: ``(first, last)`` of each batch, in order.

    Of all the ways to cut between different lengths it takes the one that costs least, when a batch costs
    its tokens, padding included, and ``call_tokens`` more. Many short batches waste no padding, few long
    ones no calls.
    """
    if not len(lengths):
        return []
    # Runs of equal length: run i is the rows from starts[i] to starts[i + 1].
    starts = np.concatenate([[0], np.flatnonzero(np.diff(lengths)) + 1, [len(lengths)]])
    longest = lengths[starts[:-1]]
    fits = np.clip(max_tokens // longest, 1, max_rows)
    cost, came_from = np.full(len(starts), np.inf), np.zeros(len(starts), np.int64)
    cost[0] = 0
    for i in range(len(longest)):
        rows = starts[i + 1 :] - starts[i]
        new = cost[i] + rows * longest[i] + -(-rows // fits[i]) * call_tokens
        better = new < cost[i + 1 :]
        cost[i + 1 :][better] = new[better]
        came_from[i + 1 :][better] = i
    found: list[tuple[int, int]] = []
    end = len(longest)
    while end:
        begin = int(came_from[end])
        first, last, fit = int(starts[begin]), int(starts[end]), int(fits[begin])
        # Even parts: a rest of two rows would cost a whole call.
        parts = -(-(last - first) // fit)
        edges = [first + (last - first) * part // parts for part in range(parts + 1)]
        found[:0] = pairwise(edges)
        end = begin
    return found
