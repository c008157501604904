"""From texts to encoder inputs: tokenise, sort by token length, cut by a token budget, pad.

This one file runs in the dataflow (the in-process embedder) and in the model server: the export copies
it beside ``model_repo/sbert/1/model.py``, so the two cannot differ. It needs numpy and tokenizers only.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Int64s = npt.NDArray[np.int64]


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

    def batches(self, texts: Sequence[str], *, max_tokens: int, max_rows: int) -> Iterator[Batch]:
        """Cut ``texts`` into batches, longest first, of at most ``max_rows`` rows each.

        A batch holds at most ``max_tokens`` tokens, padding included, unless a single text has more.
        Every row of ``texts`` is in exactly one batch.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        lengths = np.fromiter(map(len, encodings), np.int64, len(encodings))
        order = np.argsort(-lengths, kind="stable")
        ids = np.fromiter(chain.from_iterable(encodings[i].ids for i in order), np.int64, lengths.sum())
        ends = np.cumsum(lengths[order])
        first, begin = 0, 0
        while first < len(order):
            longest = max(int(lengths[order[first]]), 1)
            last = min(first + min(max(max_tokens // longest, 1), max_rows), len(order))
            rows, end = order[first:last], int(ends[last - 1])
            yield self._pad(rows, lengths[rows], ids[begin:end], longest)
            first, begin = last, end

    def _pad(self, rows: Int64s, lengths: Int64s, ids: Int64s, length: int) -> Batch:
        real = np.arange(length) < lengths[:, None]
        input_ids = np.full(real.shape, self._pad_id, np.int64)
        input_ids[real] = ids
        return Batch(rows, input_ids, real.astype(np.int64))
