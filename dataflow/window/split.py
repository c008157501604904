"""Splits embedded events by key group.

The key group of a key is ``crc32(key) % key_groups``: the same on all machines and in all runs. It is the
unit of work and of state of the window stage, like Flink's key groups.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times
from dataflow.window.messages import GroupRows, Run, Times


@dataclass
class Split:
    """A batch, split by partition and key group.

    ``times``: the event times of each run of rows of one partition. ``rows``: the rows of each run and group,
    each with the number of the group.
    """

    times: list[Times] = field(default_factory=list)
    rows: list[tuple[int, GroupRows]] = field(default_factory=list)


def split(marked: Marked, key_groups: int) -> Split:
    """Split a batch of embedded events. The rows of each run and group stay in their order of arrival."""
    result = Split()
    for run, rows in _runs(marked.rows):
        groups = groups_of(rows.column("key"), key_groups)
        result.times.append(Times(run, event_times(rows), groups))
        pieces = by_number(groups)
        by_group = rows
        if len(pieces) > 1:
            by_group = rows.take(pa.array(np.concatenate([indices for _, indices in pieces])))
        start = 0
        for group, indices in pieces:
            mine = by_group.slice(start, len(indices))
            result.rows.append((group, GroupRows(run, mine, marked.arrival_us)))
            start += len(indices)
    return result


def _runs(rows: pa.RecordBatch) -> Iterator[tuple[Run, pa.RecordBatch]]:
    """The rows, cut where the partition changes."""
    if not len(rows):
        return
    partition, offset = rows.column("partition"), rows.column("offset")
    codes = partition.dictionary_encode().indices.to_numpy()
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(rows)]
    if len(bounds) == 2:
        # Arrow takes several times as long to pick rows of a slice.
        yield Run(partition[0].as_py(), offset[0].as_py()), rows
        return
    for start, stop in itertools.pairwise(bounds):
        yield Run(partition[start].as_py(), offset[start].as_py()), rows.slice(start, stop - start)


def groups_of(keys: pa.Array, key_groups: int) -> Int64s:
    """``(n,)`` the key group of each key.

    >>> groups_of(pa.array(["a", "b", "a"]), 16).tolist()
    [3, 9, 3]
    """
    encoded = keys.dictionary_encode()
    numbers = [crc32(key.encode()) % key_groups for key in encoded.dictionary.to_pylist()]
    groups: Int64s = np.array(numbers, np.int64)[encoded.indices.to_numpy()]
    return groups


def by_number(numbers: Int64s) -> list[tuple[int, Int64s]]:
    """Each different number, with the ascending indices at which it stands.

    >>> [(number, indices.tolist()) for number, indices in by_number(np.array([7, 5, 7]))]
    [(5, [1]), (7, [0, 2])]
    """
    if (numbers == numbers[0]).all():
        return [(int(numbers[0]), np.arange(len(numbers)))]
    order = numbers.argsort(kind="stable")
    ordered = numbers[order]
    bounds = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(numbers)]
    return [(int(ordered[start]), order[start:stop]) for start, stop in itertools.pairwise(bounds)]
