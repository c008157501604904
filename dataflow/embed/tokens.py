"""From texts to encoder inputs: tokenise, sort by token length, cut into batches, pad.

The dataflow's in-process embedder and the model server run the same code, so that both cut texts in the same
way: the export copies this file and ``wordpieces.py`` beside ``model_repo/sbert/1/model.py``. They need numpy
and tokenizers only.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

if __package__:
    from dataflow.embed.wordpieces import Ids, Int64s, Texts, tokenise
else:  # beside the served model
    from wordpieces import Ids, Int64s, Texts, tokenise  # type: ignore[import-not-found,no-redef]


class Limits(NamedTuple):
    """How texts are cut into batches. The encoder computes one batch in one call."""

    #: Tokens in one batch, padding included.
    max_tokens: int
    max_rows: int
    #: What a call costs besides its tokens, in tokens: more means fewer batches and more padding.
    call_tokens: int
    #: The lengths in tokens that batches are padded to, ascending; none: the longest text of each batch.
    buckets: tuple[int, ...] = ()


#: 1,024 tokens fill the cores and still fit their caches. A call costs 1.5 ms besides its tokens, a token of
#: MiniLM 80 to 250 us, and a token of MPNet eight times that (measured).
CPU = Limits(max_tokens=1024, max_rows=256, call_tokens=12)
#: A call costs hundreds of tokens. The buckets keep the number of shapes small, because a GPU plans each
#: shape once; the steps between them are an eighth to a third of the length.
GPU = Limits(
    max_tokens=16384,
    max_rows=1024,
    call_tokens=512,
    buckets=(*range(8, 65, 8), *range(80, 129, 16), *range(160, 257, 32), *range(320, 513, 64)),
)


class Batch(NamedTuple):
    """Texts of similar length. ``rows``: (b,) their row numbers in the input; the others: (b, length)."""

    rows: Int64s
    input_ids: Int64s
    attention_mask: Int64s


class Tokens:
    """The tokenizer of a model. Its ``tokenizer.json`` holds the truncation and the padding id.

    Several threads may use it. It remembers pieces of earlier texts
    (:class:`~dataflow.embed.wordpieces.Pieces`).
    """

    def __init__(self, path: Path) -> None:
        tokenizer: Any = Tokenizer.from_file(str(path))
        self._pad_id = int(tokenizer.padding["pad_id"])
        # _pad pads each batch after the texts are sorted.
        tokenizer.no_padding()
        self._ids = tokenise(tokenizer)

    def batches(
        self,
        texts: Texts,
        *,
        max_tokens: int = CPU.max_tokens,
        max_rows: int = CPU.max_rows,
        call_tokens: int = CPU.call_tokens,
        buckets: Sequence[int] = CPU.buckets,
    ) -> Iterator[Batch]:
        """Cut ``texts`` into batches, the longest texts first. Each row of ``texts`` is in one batch.

        The parameters are those of :class:`Limits`. A batch exceeds ``max_tokens`` only if it is a single
        text. A batch that is longer than the last bucket keeps its own length. Raises ``UnicodeDecodeError``
        if a text is not UTF-8.
        """
        ids = self._ids(texts)
        order = np.argsort(-ids.lengths, kind="stable")
        padded = padded_lengths(ids.lengths[order], buckets)
        for first, last in cuts(padded, max_tokens=max_tokens, max_rows=max_rows, call_tokens=call_tokens):
            yield self._pad(order[first:last], ids, int(padded[first]))

    def _pad(self, rows: Int64s, ids: Ids, length: int) -> Batch:
        columns, lengths = np.arange(length), ids.lengths[rows]
        starts = ids.starts[rows] - len(ids.before)
        # What is taken from outside of a text is replaced below.
        input_ids = ids.flat.take(starts[:, None] + columns, mode="clip")
        input_ids[:, : len(ids.before)] = ids.before
        for place, token in enumerate(ids.after, start=-len(ids.after)):
            input_ids[np.arange(len(rows)), lengths + place] = token
        real = columns < lengths[:, None]
        input_ids[~real] = self._pad_id
        return Batch(rows, input_ids, real.astype(np.int64))


def padded_lengths(lengths: Int64s, buckets: Sequence[int]) -> Int64s:
    """The smallest bucket that holds each length; the length itself, at least 1, if no bucket holds it."""
    ascending = np.asarray(buckets, np.int64)
    numbers = np.searchsorted(ascending, lengths)
    padded = np.maximum(lengths, 1)
    held = numbers < len(ascending)
    padded[held] = ascending[numbers[held]]
    return padded


def cuts(lengths: Int64s, *, max_tokens: int, max_rows: int, call_tokens: int) -> list[tuple[int, int]]:
    """Where to cut texts of ``lengths`` (n,), longest first: ``(first, last)`` of each batch, in order.

    A batch costs its tokens, padding included, and ``call_tokens`` more. The result is the cheapest of all
    ways to cut between different lengths: many short batches need less padding, a few long ones fewer calls.
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
        # Parts of equal size: a last part of two rows would cost a whole call.
        parts = -(-(last - first) // fit)
        edges = [first + (last - first) * part // parts for part in range(parts + 1)]
        found[:0] = pairwise(edges)
        end = begin
    return found
