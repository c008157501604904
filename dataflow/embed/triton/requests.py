"""Cuts texts into requests: texts of similar length go together, and each request is bounded. Pure."""

from collections.abc import Iterator, Sequence

import numpy as np

from dataflow.items.arrays import Int64s


def by_length(texts: Sequence[str], *, max_rows: int, max_chars: int) -> Iterator[Int64s]:
    """Cut ``texts`` into requests, longest texts first. Yields the indices of the texts of a request, (b,)
    int64.

    A request holds at most ``max_rows`` texts and ``max_chars`` characters; a text with more characters makes
    a request of its own. Every text is in exactly one request. Length is measured in characters, which costs
    a thousandth of counting tokens and is close enough to keep short texts from waiting for long texts; the
    server sorts by tokens.

    >>> [rows.tolist() for rows in by_length(["aa", "b", "cccc"], max_rows=2, max_chars=5)]
    [[2], [0, 1]]
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths[order])
    first = 0
    while first < len(order):
        before = int(ends[first - 1]) if first else 0
        fit = int(np.searchsorted(ends, before + max_chars, "right"))
        last = max(min(fit, first + max_rows), first + 1)
        yield order[first:last]
        first = last
