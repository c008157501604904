"""Rows of ``ALERT``: what is said about an incident."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dataflow.alert.drift_incident import DriftIncident
from dataflow.alert.incident import Incident
from dataflow.clock import rfc3339
from dataflow.items.alerts import ALERT, ALERT_FORMAT

#: The columns of the budget, which only rows about events have.
BUDGET = ("budget_per_day", "budget_of", "realised_per_day")
#: The message shows so many characters of a text.
_MOST_CHARACTERS = 200


def change(incident: Incident | DriftIncident, at: int, threshold: float) -> dict[str, Any]:
    """The next row about an incident, decided at ``at`` with ``threshold``. The incident counts the row."""
    row = {
        "format": ALERT_FORMAT,
        "kind": incident.kind,
        "incident": incident.id,
        "sequence": incident.sequence,
        "state": incident.state,
        "key": incident.key,
        "decided": at,
        "window_start": incident.window_start,
        "window_end": incident.window_end,
        "first_ts": incident.first_ts,
        "last_ts": incident.last_ts,
        "count": incident.count,
        "peak": incident.peak,
        "p_value": 10.0**-incident.peak,
        "threshold": threshold,
        "cluster": incident.cluster,
        "merged_into": incident.merged_into,
        "examples": [dict(each) for each in incident.examples],
        "message": incident.message if isinstance(incident, DriftIncident) else message(incident),
        "event_ids": list(incident.joined),
        "left_ids": list(incident.left),
        "unnamed": incident.unnamed,
        **dict.fromkeys(BUDGET),
    }
    incident.sequence += 1
    incident.joined = incident.left = ()
    if incident.is_open:
        incident.state = "updated"
    return row


def batch(rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Rows of :func:`change` as a batch of ``ALERT``."""
    return pa.RecordBatch.from_pylist(list(rows), schema=ALERT)


def message(incident: Incident) -> str:
    """An incident in words."""
    what = "1 unusual event" if incident.count == 1 else f"{incident.count} unusual events"
    when = f"from {rfc3339(incident.first_ts, 's')} to {rfc3339(incident.last_ts, 's')}"
    if incident.state == "confirmed":
        return f"confirmed: the window of its events has ended; see incident {incident.merged_into}"
    if incident.state == "withdrawn" and incident.is_provisional:
        return "withdrawn: the windows of its events have ended, and the events do not alert in them"
    if incident.state == "withdrawn":
        return "withdrawn: late events changed the window, and its events are usual now"
    if incident.state == "merged":
        return f"merged into incident {incident.merged_into}: their events are alike"
    if incident.first_ts == incident.last_ts:
        when = f"at {rfc3339(incident.first_ts, 's')}"
    top = incident.examples[0]
    text = top["text"] if len(top["text"]) <= _MOST_CHARACTERS else top["text"][:_MOST_CHARACTERS] + "..."
    parts = [f'{what} {when}, the most unusual (p = {10.0**-incident.peak:.1g}): "{text}"']
    if top["explanation"]:
        parts.append(top["explanation"])
    said = "; ".join(parts)
    return f"provisional, before the window ends: {said}" if incident.is_provisional else said
