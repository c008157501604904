"""In which requests texts go to a model: texts of like length together, a bounded amount in each. Pure."""

from collections.abc import Iterator, Sequence

import numpy as np

from dataflow.items.arrays import Int64s


def by_length(texts: Sequence[str], *, max_rows: int, max_chars: int) -> Iterator[Int64s]:
    """Cut ``texts`` into requests, longest first; each is the places of its texts, (b,) int64.

    Length is in characters: near enough to tokens to keep short texts from waiting for long ones, for a
    thousandth of the cost; the server sorts by tokens. A request holds at most ``max_rows`` texts and
    ``max_chars`` characters, unless a single text has more. Every text is in exactly one.
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
