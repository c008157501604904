"""Rows of ``DRIFT``: what a window is beside what came before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.drift.clustering import Assigned
from dataflow.drift.comparison import Change, Comparison
from dataflow.drift.correction import corrected
from dataflow.items.drift import DRIFT, DRIFT_FORMAT, WindowSample

_QUANTILES = (50, 90, 99)


@dataclass(frozen=True)
class Finding:
    """The window ``[start, end)`` of ``key``. ``state``: one of ``DRIFT_STATES``.

    ``fitted``: which clusters these are; 0: none. ``now``: the clusters of the events of the window.
    ``before_end``: the end of the window before. ``beside``, ``reference``: what the tests say; ``None``:
    there is no test. ``beside_clusters``: whether both windows have these clusters.
    Times are microseconds since the Unix epoch.
    """

    key: str
    start: int
    end: int
    sample: WindowSample
    state: str
    fitted: int = 0
    now: Assigned | None = None
    before_end: int | None = None
    beside: Comparison | None = None
    beside_clusters: bool = False
    reference: Comparison | None = None

    @property
    def p_values(self) -> list[float]:
        """The p-values of all tests."""
        found = [self.beside.p_centroid] if self.beside else []
        found += [self.beside.p_clusters] if self.beside and self.beside_clusters else []
        return found + ([self.reference.p_centroid, self.reference.p_clusters] if self.reference else [])

    @property
    def tests(self) -> int:
        """How many tests there are."""
        return len(self.p_values)

    @property
    def lowest(self) -> float:
        """The lowest p-value, where values above all permutations have that of a tail; 1 without tests."""
        return min((each.lowest for each in (self.beside, self.reference) if each), default=1.0)


def batch(tested: Sequence[Finding]) -> pa.RecordBatch:
    """A row for each window."""
    return pa.RecordBatch.from_pylist([_row(each) for each in tested], schema=DRIFT)


def _row(of: Finding) -> dict[str, Any]:
    rows, lengths = of.sample.rows, [each.block_rows for each in (of.beside, of.reference) if each]
    return {
        "format": DRIFT_FORMAT,
        "key": of.key,
        "window_start": of.start,
        "window_end": of.end,
        "revision": rows.column("revision")[0].as_py(),
        "state": of.state,
        "rows": len(rows),
        "inertia": of.now.inertia if of.now else None,
        **_quantiles(rows, "score"),
        **_quantiles(rows, "anomaly"),
        "fitted": of.fitted,
        "clusters": _clusters(of),
        "before_end": of.before_end,
        **_comparison("before", of.beside, of.beside_clusters),
        **_comparison("reference", of.reference, True),
        "p_value": min(corrected(of.p_values), default=None),
        "block_rows": lengths[0] if lengths else None,
    }


def _quantiles(rows: pa.RecordBatch, name: str) -> dict[str, float]:
    values = rows.column(name).to_numpy(zero_copy_only=False)
    values = values[~np.isnan(values)]
    if not len(values):
        return {}
    found = np.quantile(values, [quantile / 100 for quantile in _QUANTILES]).tolist()
    return {f"{name}_p{quantile}": value for quantile, value in zip(_QUANTILES, found, strict=True)}


def _comparison(name: str, of: Comparison | None, has_clusters: bool) -> dict[str, Any]:
    if of is None:
        return {}
    return {
        f"distance_{name}": of.distance,
        f"p_centroid_{name}": of.p_centroid,
        f"p_clusters_{name}": of.p_clusters if has_clusters else None,
        f"draws_{name}": of.draws,
    }


def _clusters(of: Finding) -> list[dict[str, Any]]:
    if of.now is None:
        return []
    sides = {
        "before": _changes(of.beside if of.beside_clusters else None),
        "reference": _changes(of.reference),
    }
    counts = np.bincount(of.now.clusters)
    names = sorted({*np.flatnonzero(counts).tolist(), *sides["before"], *sides["reference"]})
    found = []
    for cluster in names:
        share = counts[cluster] / len(of.sample.rows) if cluster < len(counts) else 0.0
        row: dict[str, Any] = {"cluster": cluster, "share": float(share)}
        for side, changes in sides.items():
            change = changes.get(cluster)
            # A cluster that no sample has needs no test.
            row[side] = change.before if change else 0.0 if changes else None
            row[f"p_{side}"] = change.p_value if change else 1.0 if changes else None
        found.append(row)
    return found


def _changes(of: Comparison | None) -> dict[int, Change]:
    return {change.cluster: change for change in of.changes} if of else {}
