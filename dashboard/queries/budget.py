"""How many new incidents came in a day, beside the budget."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.store.incidents import Incident
from dashboard.store.store import Moment

_DAY_US = 86_400_000_000
Int64s = npt.NDArray[np.int64]


def budget(moment: Moment, key: str | None, ends: Int64s) -> dict[str, Any] | None:
    """The budget and the new incidents of the 24 hours up to each of ``ends``, ``(n,)`` microseconds.

    ``per_day``: what the budget allows; ``None``: there is none. ``of``: ``stream``: the keys share the
    budget, and all of them count; ``key``: each key has its own, and those of ``key`` count, or of all keys
    if that is ``None``; ``None``: an older version wrote the alerts, and they do not say it.

    Returns ``None`` if no incident is known.
    """
    known = [
        each
        for each in moment.incidents.values()
        if each.row["kind"] == "events" and each.changes[0]["state"] != "provisional"
    ]
    if not known:
        return None
    newest = max(known, key=lambda each: each.row["decided"]).row
    of = newest["budget_of"]
    if of == "key" and key is not None:
        known = [each for each in known if each.row["key"] == key]
    realised = _realised(known, ends, use_rows=of == "stream" or key is not None)
    return {"per_day": newest["budget_per_day"], "of": of, "realised": realised.tolist()}


def _realised(incidents: Sequence[Incident], ends: Int64s, *, use_rows: bool) -> Int64s:
    """A row says how many there were; what opened longer than a day ago does not count any more."""
    opened = np.sort(np.array([each.opened for each in incidents], np.int64))
    counted = _up_to(opened, ends) - _up_to(opened, ends - _DAY_US)
    said = sorted(
        (change["decided"], change["realised_per_day"])
        for incident in incidents
        for change in incident.changes
        if change["realised_per_day"] is not None
    )
    if not use_rows or not said:
        return counted
    times, values = np.array(said, np.int64).T
    last = np.searchsorted(times, ends, "right") - 1
    since = times[last.clip(0)]
    over = _up_to(opened, ends - _DAY_US) - _up_to(opened, since - _DAY_US)
    return np.where(last < 0, counted, np.maximum(values[last.clip(0)] - over, 0))


def _up_to(times: Int64s, ends: Int64s) -> Int64s:
    return np.searchsorted(times, ends, "right").astype(np.int64)
