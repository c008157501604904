"""Two outputs side by side: which incidents only one has, and which rows are ranked otherwise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dashboard.queries.filters import Filter
from dashboard.queries.ranking import Rankings, Sorting
from dashboard.queries.rows import described
from dashboard.store.incidents import Incident
from dashboard.store.scores import event_hashes
from dashboard.store.store import Moment

#: So many rows of each side are compared, the most unusual ones.
_MOST_ROWS = 200
_COMPARED = ("state", "count", "peak", "first_ts", "last_ts", "cluster", "merged_into")


def compared(a: tuple[Moment, Rankings], b: tuple[Moment, Rankings], wanted: Filter) -> dict[str, Any]:
    """Incidents and ranks of the outputs ``a`` and ``b``."""
    first, second = (_incidents(moment, wanted) for moment, _ in (a, b))
    pairs = matched(first, second)
    known_a, known_b = ({pair[side].row["incident"] for pair in pairs} for side in (0, 1))
    return {
        "only_a": [each.described() for each in first if each.row["incident"] not in known_a],
        "only_b": [each.described() for each in second if each.row["incident"] not in known_b],
        "both": [
            {
                "a": left.described(),
                "b": right.described(),
                "changes": [name for name in _COMPARED if left.row[name] != right.row[name]],
            }
            for left, right in pairs
        ],
        "ranks": _ranks(a, b, wanted),
    }


def matched(first: Sequence[Incident], second: Sequence[Incident]) -> list[tuple[Incident, Incident]]:
    """The same incidents of both outputs: those with the most examples in common, or else those of one key
    that last at the same time the longest. An incident has at most one partner.
    """
    found = []
    left = {each.row["incident"]: each for each in first}
    right = {each.row["incident"]: each for each in second}
    scored = [
        (score, one.row["incident"], other.row["incident"])
        for one in first
        for other in second
        if (score := _likeness(one, other)) is not None
    ]
    for _, one, other in sorted(scored, key=lambda each: (each[0], each[1], each[2]), reverse=True):
        if one in left and other in right:
            found.append((left.pop(one), right.pop(other)))
    return sorted(found, key=lambda pair: pair[0].opened)


def _likeness(one: Incident, other: Incident) -> tuple[int, int] | None:
    """How many examples both have, and for how long both last; ``None``: they are not the same."""
    if one.row["key"] != other.row["key"] or one.row["kind"] != other.row["kind"]:
        return None
    ids = [{example["id"] for example in each.row["examples"]} for each in (one, other)]
    common = len(ids[0] & ids[1])
    overlap = min(one.row["last_ts"], other.row["last_ts"]) - max(one.row["first_ts"], other.row["first_ts"])
    return (common, overlap) if common or overlap >= 0 else None


def _incidents(moment: Moment, wanted: Filter) -> list[Incident]:
    """The incidents of the filter that are no early versions of others."""
    return [
        each
        for each in moment.incidents.values()
        if wanted.key in (None, each.row["key"])
        and (wanted.start is None or each.row["last_ts"] >= wanted.start)
        and (wanted.end is None or each.row["first_ts"] < wanted.end)
        and each.row["state"] not in ("provisional", "confirmed")
    ]


def _ranks(a: tuple[Moment, Rankings], b: tuple[Moment, Rankings], wanted: Filter) -> list[dict[str, Any]]:
    """The most unusual rows of both, with their ranks in each; 0: the most unusual one."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for moment, rankings in (a, b):
        for row in _top(moment, rankings, wanted):
            place = (row["key"], row["id"], row["window_start"])
            shown = {name: row[name] for name in ("key", "id", "window_start", "text")}
            found.setdefault(place, shown)
    for side, (moment, rankings) in (("a", a), ("b", b)):
        ranks = _rank_of(moment, rankings, wanted, list(found))
        for place, row in found.items():
            row[side] = ranks.get(place)
    far = len(found) + max((len(moment.scores) for moment, _ in (a, b)), default=0)
    return sorted(
        found.values(),
        key=lambda row: min(far if row[side] is None else row[side] for side in ("a", "b")),
    )


def _top(moment: Moment, rankings: Rankings, wanted: Filter) -> list[dict[str, Any]]:
    ranked = rankings.ranked(moment, wanted, _sorting(moment))
    return described(moment, ranked[:_MOST_ROWS])


def _rank_of(
    moment: Moment, rankings: Rankings, wanted: Filter, places: Sequence[tuple[str, str, int]]
) -> dict[tuple[str, str, int], int]:
    ranked = rankings.ranked(moment, wanted, _sorting(moment))
    columns = moment.scores.columns
    names: dict[tuple[int, int], tuple[str, str, int]] = {}
    hashed = event_hashes(
        pa.array([key for key, _, _ in places], pa.string()),
        pa.array([id for _, id, _ in places], pa.string()),
    )
    for event, place in zip(hashed.tolist(), places, strict=True):
        names[event, place[2]] = place
    events = np.array([event for event, _ in names], np.uint64)
    at = np.flatnonzero(np.isin(columns["event"][ranked], events))
    found = {}
    for rank in at.tolist():
        place = ranked[rank]
        name = names.get((int(columns["event"][place]), int(columns["window_start"][place])))
        if name is not None:
            found[name] = rank
    return found


def _sorting(moment: Moment) -> Sorting:
    """By the anomaly, or by the score where no row has an anomaly."""
    anomaly = moment.scores.columns["anomaly"]
    return Sorting("score" if np.isnan(anomaly).all() else "anomaly")
