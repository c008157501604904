"""The most similar usual rows of a window."""

from typing import Any

import numpy as np

from dashboard.store.store import Moment

_MOST, _CUT = 5, 500
#: So many rows of the window are compared, those that are nearest in time.
_COMPARED = 20_000
#: A row with a lower anomaly is usual: one in ten of the reference is as high.
_USUAL = 1.0


def neighbours(moment: Moment, place: int) -> list[dict[str, Any]]:
    """Up to five usual rows of the window of the row at ``place``, each with another text.

    The most similar one comes first. ``similarity``: the cosine of the embeddings, in [-1, 1]. There are none
    without embeddings.
    """
    rows, vectors = moment.scores, moment.map.vectors
    columns = rows.columns
    here = np.flatnonzero(columns["window"] == columns["window"][place])
    here = here[columns["live"][here] & columns["latest"][here]]
    anomaly, score = columns["anomaly"][here], columns["score"][here]
    # While the reference knows too little, the half with the lower scores is usual.
    unknown = np.isnan(anomaly)
    limit = np.median(score[unknown]) if unknown.any() else 0.0
    usual = (anomaly < _USUAL) | (unknown & (score <= limit))
    places = here[usual & (columns["event"][here] != columns["event"][place])]
    if len(places) > _COMPARED:
        apart = np.abs(columns["ts"][places] - columns["ts"][place])
        places = places[np.argpartition(apart, _COMPARED)[:_COMPARED]]
    found, matrix = vectors.take(np.append(place, places) + rows.first)
    if len(found) < 2 or 0 not in found:
        return []
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True).clip(1e-12)
    own = int(np.flatnonzero(found == 0)[0])
    similar = unit @ unit[own]
    order = [at for at in np.argsort(-similar, kind="stable") if at != own]
    return _different(moment, places[found[order] - 1], similar[order])


def _different(moment: Moment, places: Any, similar: Any) -> list[dict[str, Any]]:
    """The first rows with different texts."""
    rows, shown, seen = moment.scores, [], set()
    for at in range(0, len(places), 100):
        some = places[at : at + 100]
        texts = rows.texts.take(some + rows.first, ("id", "text"))
        for place, id, text, cosine in zip(
            some, *(texts[name].to_pylist() for name in ("id", "text")), similar[at : at + 100], strict=True
        ):
            if text in seen:
                continue
            seen.add(text)
            anomaly = rows.columns["anomaly"][place].item()
            ts = rows.columns["ts"][place].item()
            shown.append(
                {"id": id, "ts": ts, "text": text[:_CUT], "similarity": float(cosine), "anomaly": anomaly}
            )
            if len(shown) == _MOST:
                return shown
    return shown
