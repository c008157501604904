"""Finds the row that has an identity, among a million."""

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def mixed(*parts: npt.NDArray[np.generic]) -> Hashes:
    """``(n,)``: one hash of several columns of integers, ``(n,)`` each."""
    found = np.zeros(len(parts[0]), np.uint64)
    for part in parts:
        found = (found ^ part.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(29)
        found *= np.uint64(0xBF58476D1CE4E5B9)
        found ^= found >> np.uint64(32)
    return found


class Identities:
    """Hash -> the last row that has it.

    Sorted runs, each at least twice as long as the next one: sixteen bytes a row, where a dictionary takes
    more than a hundred.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Hashes, Rows]] = []

    def find(self, hashes: Hashes) -> Rows:
        """``(n,)``: the row of each hash; -1: there is none."""
        found = np.full(len(hashes), -1, np.int64)
        for known, rows in self._runs:
            at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            found = np.where(known[at] == hashes, rows[at], found)
        return found

    def add(self, hashes: Hashes, rows: Rows) -> None:
        """Add rows, ``(n,)``, whose hashes are different. They hide earlier rows with these hashes."""
        if not len(hashes):
            return
        order = np.argsort(hashes)
        run = (hashes[order], rows[order])
        while self._runs and len(self._runs[-1][0]) < 2 * len(run[0]):
            run = _merged(self._runs.pop(), run)
        self._runs.append(run)

    def forget(self, before: int) -> None:
        """Remove the rows whose numbers are lower than ``before``."""
        runs = [(known[rows >= before], rows[rows >= before]) for known, rows in self._runs]
        self._runs = [run for run in runs if len(run[0])]


def _merged(old: tuple[Hashes, Rows], new: tuple[Hashes, Rows]) -> tuple[Hashes, Rows]:
    hashes, rows = (np.concatenate(pair) for pair in zip(old, new, strict=True))
    # Of equal hashes, the stable sort leaves the newer one behind the older one.
    order = np.argsort(hashes, kind="stable")
    hashes, rows = hashes[order], rows[order]
    last = np.append(hashes[1:] != hashes[:-1], True)
    return hashes[last], rows[last]
