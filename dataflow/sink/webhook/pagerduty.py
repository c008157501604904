"""Events for PagerDuty's Events API v2: https://developer.pagerduty.com/docs/send-alert-event."""

from collections.abc import Mapping
from typing import Any

from dataflow.items.alerts import OVER

#: What PagerDuty has as ``severity``.
SEVERITIES = ("critical", "error", "warning", "info")
_MOST_OF_SUMMARY = 1024
#: An event may have 512 kB. Events may have long texts.
_MOST_OF_TEXT, _MOST_EXAMPLES = 2000, 20


def pagerduty(row: Mapping[str, Any], routing_key: str, severity: str) -> dict[str, Any]:
    """The event about a row of ``ALERT``.

    All rows of an incident have the incident as ``dedup_key``. So the first row opens an alert, the next ones
    add to its log, and a row after which the incident is over resolves it. ``trigger`` after ``resolve``
    opens a new alert, as when an incident is open again.
    """
    event = {
        "routing_key": routing_key,
        "event_action": "resolve" if row["state"] in OVER else "trigger",
        "dedup_key": row["incident"],
        "client": "Driftline",
    }
    examples = [_cut(example["text"], _MOST_OF_TEXT) for example in row["examples"][:_MOST_EXAMPLES]]
    names = ("kind", "state", "sequence", "count", "first_ts", "last_ts", "peak", "p_value", "merged_into")
    details = {name: row[name] for name in names} | {"key": _cut(row["key"], _MOST_OF_TEXT)}
    event["payload"] = {
        "summary": _cut(f"{row['key']}: {row['message']}", _MOST_OF_SUMMARY),
        "source": _cut(row["key"], _MOST_OF_SUMMARY) or "driftline",
        "severity": severity,
        "timestamp": row["first_ts"],
        "component": "driftline",
        "class": row["kind"],
        "custom_details": details | {"message": _cut(row["message"], _MOST_OF_TEXT), "examples": examples},
    }
    return event


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
