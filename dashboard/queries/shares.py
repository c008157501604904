"""Drift, and the shares of clusters over time."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dashboard.queries.filters import Filter
from dashboard.store.store import Moment

_MOST_DRIFT, _MOST_WINDOWS = 2000, 500
_DRIFT = (
    "key",
    "window_start",
    "window_end",
    "state",
    "p_value",
    "p_centroid_before",
    "p_centroid_reference",
    "p_clusters_before",
    "p_clusters_reference",
    "rows",
)


def drift(moment: Moment, wanted: Filter) -> list[dict[str, Any]]:
    """The newest rows of drift in the time of the filter. ``message``: what its incident says, or null."""
    said = {
        (each.row["key"], each.row["window_end"]): each.row["message"]
        for each in moment.incidents.values()
        if each.row["kind"] == "drift"
    }
    rows = [row for row in _latest(moment.sides["drift"], wanted.key) if _inside(row, wanted)]
    return [
        {
            **{name: row.get(name) for name in _DRIFT},
            "message": said.get((row["key"], row["window_end"])),
        }
        for row in rows[-_MOST_DRIFT:]
    ]


def clusters(moment: Moment, key: str | None) -> dict[str, Any] | None:
    """The share of each cluster in each window of one key: of the largest one if ``key`` is not given.

    They come from the summaries of windows where clusters last (``score.start = warm``), or else from rows of
    drift since the clusters were fitted the last time. ``None``: neither has clusters.
    """
    name = key if key is not None else _largest(moment)
    summaries = [row for row in _latest(moment.sides["windows"], name) if row.get("clusters")]
    rows = summaries or [row for row in _latest(moment.sides["drift"], name) if row.get("clusters")]
    fitted = rows[-1].get("fitted") if rows else None
    rows = [row for row in rows if row.get("fitted") == fitted][-_MOST_WINDOWS:]
    if not rows:
        return None
    shares = [{each["cluster"]: each for each in row["clusters"]} for row in rows]
    numbers = sorted({number for some in shares for number in some})
    return {
        "key": name,
        "fitted": fitted,
        "windows": [row["window_start"] for row in rows],
        "clusters": [
            {
                "cluster": number,
                "share": [some[number]["share"] if number in some else 0.0 for some in shares],
                "example": _example(some[number] for some in reversed(shares) if number in some),
            }
            for number in numbers
        ],
    }


def _latest(rows: Iterable[Mapping[str, Any]], key: str | None) -> list[Mapping[str, Any]]:
    """The newest revision of each window of a key, by time."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for row in rows:
        if key in (None, row["key"]):
            place = (row["key"], row["window_start"])
            if place not in found or found[place]["revision"] <= row["revision"]:
                found[place] = row
    return sorted(found.values(), key=lambda row: (row["window_start"], row["key"]))


def _inside(row: Mapping[str, Any], wanted: Filter) -> bool:
    return (wanted.start is None or row["window_end"] > wanted.start) and (
        wanted.end is None or row["window_start"] < wanted.end
    )


def _largest(moment: Moment) -> str | None:
    rows = moment.scores
    if not len(rows):
        return next((row["key"] for row in moment.sides["drift"]), None)
    return rows.keys[int(np.bincount(rows.columns["key"], rows.columns["live"]).argmax())]


def _example(clusters: Iterable[Mapping[str, Any]]) -> str | None:
    return next((each["examples"][0] for each in clusters if each.get("examples")), None)
