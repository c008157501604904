"""The cause of a drift: a sentence, and events of the window that show it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.drift.clustering import Assigned, assign, fit
from dataflow.drift.comparison import Change, by_certainty, seed_of
from dataflow.drift.rows import Finding
from dataflow.drift.shares import share_p_values
from dataflow.drift.words import sentence
from dataflow.items.drift import Past
from dataflow.items.fixed import Fixed

#: A change of a share with a higher p-value is not named.
_CERTAIN = 0.05
#: Events that show the change.
_EXAMPLES = 3
#: Clusters that name a change are fitted on so many events of a window at most, and of the reference.
_MOST_FITTED = 2000
#: The draws of a test of shares.
_DRAWS = 999


def explained(of: Finding, clusters: int) -> tuple[str, list[dict[str, Any]]]:
    """What changed, in words, and ``examples`` of an alert.

    The tests compare clusters that were fitted before the window came, so a new topic is a part of one of
    them. To name what is new, clusters are fitted on the window and on the reference together. If their
    shares tell nothing, the clusters of the test with the window before do.
    """
    past = of.sample.past
    if of.reference and past is not None:
        found = _beside_reference(of, past, clusters)
        if found:
            return found
    now = of.now.clusters if of.now else np.zeros(len(of.sample.rows), np.int64)
    distances = of.now.squares if of.now else now
    changes = of.beside.changes if of.beside and of.beside_clusters else ()
    against = "the window before" if of.beside else "earlier events"
    texts = of.sample.rows.column("text").to_numpy(zero_copy_only=False)
    return _said(of, changes, against, Assigned(now, distances), {}, texts)


def _beside_reference(of: Finding, past: Past, clusters: int) -> tuple[str, list[dict[str, Any]]] | None:
    vectors, most = of.sample.vectors, min(len(of.sample.vectors), _MOST_FITTED)
    # As many of the reference, which would else decide the clusters alone.
    both = np.concatenate([_spread(past.vectors, most), _spread(vectors, most)])
    centroids = fit(both, clusters, seed_of(of.key, of.end))
    then, now = assign(past.vectors, centroids), assign(vectors, centroids)
    counts = [np.bincount(each.clusters, minlength=len(centroids)) for each in (then, now)]
    # There is a drift. Here, p-values only tell which changes chance may have made, so events count
    # as independent. A test has to be stricter.
    tested = share_p_values(*counts, worth=len(of.sample.rows), seed=seed_of(of.key, of.end), most=_DRAWS)
    shares = [count / count.sum() for count in counts]
    changes = [
        Change(cluster, float(shares[0][cluster]), float(shares[1][cluster]), float(p))
        for cluster, p in enumerate(tested.p_values)
    ]
    changes.sort(key=by_certainty)
    if changes[0].p_value > _CERTAIN:
        return None
    texts = of.sample.rows.column("text").to_numpy(zero_copy_only=False)
    old = {change.cluster: _typical(then, change.cluster, past.texts) for change in changes if not change.now}
    return _said(of, changes, "earlier events", now, old, texts)


def _spread(vectors: Fixed, most: int) -> Fixed:
    """At most ``most`` of the vectors, evenly spaced."""
    which = np.linspace(0, len(vectors) - 1, min(len(vectors), most)).astype(np.intp)
    spread: Fixed = vectors[which]
    return spread


def _said(
    of: Finding,
    changes: Sequence[Change],
    against: str,
    now: Assigned,
    old: dict[int, list[str]],
    texts: Any,
) -> tuple[str, list[dict[str, Any]]]:
    named = [change for change in changes if change.p_value <= _CERTAIN]
    shown = {change.cluster: _typical(now, change.cluster, texts) for change in named if change.now}
    grown = [change.cluster for change in named if change.now > change.before]
    # Without a cluster that grew, the events that are most usual for the window say most.
    rows = _nearest(now, grown[0], texts) if grown else _nearest(now, int(now.clusters[0]), texts)
    return sentence(changes, old | shown, against=against, level=_CERTAIN), _examples(of, rows)


def _nearest(of: Assigned, cluster: int, texts: Any) -> list[int]:
    """Events of a cluster, the nearest to its centroid first, each with another text."""
    rows = np.flatnonzero(of.clusters == cluster)
    first: dict[str, int] = {}
    for row in rows[np.argsort(of.squares[rows], kind="stable")].tolist():
        first.setdefault(texts[row], row)
        if len(first) == _EXAMPLES:
            break
    return list(first.values())


def _typical(of: Assigned, cluster: int, texts: Any) -> list[str]:
    return [texts[row] for row in _nearest(of, cluster, texts)]


def _examples(of: Finding, rows: list[int]) -> list[dict[str, Any]]:
    some = of.sample.rows.take(pa.array(rows, pa.int64()))
    columns = {
        "id": some.column("id"),
        "ts": some.column("ts").cast(pa.int64()),
        "text": some.column("text"),
        "anomaly": some.column("anomaly"),
    }
    nothing = {"nearest": None, "nearest_ts": None, "explanation": None}
    return [row | nothing for row in pa.table(columns).to_pylist()]
