"""Alerts for Prometheus Alertmanager's API v2, ``POST /api/v2/alerts``.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Mapping
from typing import Any

from dataflow.items.alerts import OVER

#: An alert without an end is over for Alertmanager after its ``resolve_timeout`` (5 minutes), because it
#: expects each alert again and again. An incident is posted when it changes, so an open incident ends here.
_FAR = "9999-01-01T00:00:00.000000Z"


def alertmanager(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The one alert about a row of ``ALERT``.

    All rows of an incident have equal labels, so they are one alert. The alert ends when the incident is
    over, at the event time of the decision.
    """
    over = row["state"] in OVER
    # RFC 3339 in UTC: the order of the texts is the order of the times. An end before the start is refused.
    end = max(row["decided"], row["first_ts"]) if over else _FAR
    annotations = {
        "summary": row["message"],
        "state": row["state"],
        "count": str(row["count"]),
        "p_value": f"{row['p_value']:.3g}",
        "last": row["last_ts"],
        "window": f"{row['window_start']}/{row['window_end']}",
    }
    if row["merged_into"]:
        annotations["merged_into"] = row["merged_into"]
    name = "DriftlineDrift" if row["kind"] == "drift" else "DriftlineIncident"
    labels = {"alertname": name, "incident": row["incident"], "key": row["key"], "kind": row["kind"]}
    return [{"labels": labels, "annotations": annotations, "startsAt": row["first_ts"], "endsAt": end}]
