"""The windows of recorded scores, and the place of rows in them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Int64s
from dataflow.window.split import groups_of

#: The columns that identify a window.
WINDOW = ("key", "window_start", "window_end", "revision")


@dataclass(frozen=True)
class Windows:
    """The last revision of ``w`` windows of keys, by end, key group and key. ``keys``: an array of strings.
    ``models``: the model and version of each. ``groups``, ``starts``, ``ends``, ``sizes``, ``revisions``:
    ``(w,)``. ``total``: how many rows were recorded, with all revisions.
    """

    keys: pa.Array
    models: pa.Array
    groups: Int64s
    starts: Int64s
    ends: Int64s
    sizes: Int64s
    revisions: Int64s
    total: int

    def __len__(self) -> int:
        return len(self.ends)


def runs_of(rows: pa.RecordBatch) -> pa.RecordBatch:
    """How many rows each window of a key has that follow each other."""
    is_first = np.zeros(len(rows), np.bool_)
    is_first[:1] = True
    for name in WINDOW:
        column = rows.column(name)
        differs = pc.not_equal(column.slice(1), column.slice(0, len(rows) - 1))
        is_first[1:] |= differs.to_numpy(zero_copy_only=False)
    first = np.flatnonzero(is_first)
    sizes = np.diff(np.append(first, len(rows)))
    model = pc.binary_join_element_wise(rows.column("model"), rows.column("model_version"), " ")
    found = rows.select(list(WINDOW)).append_column("model", model).take(pa.array(first))
    return found.append_column("rows", pa.array(sizes, pa.int64()))


def windows_of(runs: pa.Table, key_groups: int) -> Windows:
    """The windows of ``runs``, which :func:`runs_of` found in all rows. ``key_groups``:
    ``window.key_groups``.
    """
    merged = runs.group_by(list(WINDOW)).aggregate([("rows", "sum"), ("model", "min")])
    merged = merged.append_column("group", pa.array(groups_of(one(merged["key"]), key_groups)))
    order = ("window_end", "group", "key", "window_start", "revision")
    table = merged.sort_by([(name, "ascending") for name in order])
    starts, ends, revisions, sizes = (
        one(table[name]).cast(pa.int64()).to_numpy()
        for name in ("window_start", "window_end", "revision", "rows_sum")
    )
    keys = one(table["key"])
    codes = keys.dictionary_encode().indices.to_numpy()
    is_last = np.zeros(len(table), np.bool_)
    is_last[bounds(starts, ends, codes)[1:] - 1] = True
    kept = table.filter(pa.array(is_last))
    return Windows(
        keys=one(kept["key"]),
        models=one(kept["model_min"]),
        groups=one(kept["group"]).to_numpy(),
        starts=starts[is_last],
        ends=ends[is_last],
        sizes=sizes[is_last],
        revisions=revisions[is_last],
        total=int(sizes.sum()),
    )


def bounds(*columns: Int64s) -> Int64s:
    """Where runs of equal rows begin, and the number of rows.

    >>> bounds(np.array([5, 5, 6, 6]), np.array([1, 1, 1, 2])).tolist()
    [0, 2, 3, 4]
    """
    differs = np.any([np.diff(column) != 0 for column in columns], axis=0)
    return np.concatenate([[0], np.flatnonzero(differs) + 1, [len(columns[0])]])


def place_of(rows: pa.Table, windows: Windows) -> Int64s:
    """``(m,)``: the number of the window of each row; -1: its revision is not the last one."""
    known = pa.table(
        {
            "key": windows.keys,
            "window_start": windows.starts,
            "window_end": windows.ends,
            "revision": windows.revisions,
            "place": np.arange(len(windows)),
        }
    )
    wanted = pa.table(
        {"key": rows["key"], "row": np.arange(len(rows))}
        | {name: rows[name].cast(pa.int64()) for name in ("window_start", "window_end", "revision")}
    )
    joined = wanted.join(known, ["key", "window_start", "window_end", "revision"], join_type="left outer")
    found = np.full(len(rows), -1, np.int64)
    found[joined["row"].to_numpy()] = pc.fill_null(joined["place"], -1).to_numpy()
    return found


def order_of(rows: pa.Table, place: Int64s, windows: Windows) -> Int64s:
    """The rows of the last revisions, by window, time and id. ``place``: what :func:`place_of` says."""
    by = pa.table({"place": place, "ts": rows["ts"], "id": rows["id"]})
    order = pc.sort_indices(by, sort_keys=[(name, "ascending") for name in by.column_names]).to_numpy()
    kept: Int64s = order[place[order] >= 0].astype(np.int64)
    return kept


def one(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
