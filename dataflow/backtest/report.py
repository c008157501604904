"""The result of a backtest as plain data: ``report.json``, which the page and the terminal show, too."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dataflow.backtest.comparison import Comparison, Pair
from dataflow.backtest.incidents import Incident
from dataflow.backtest.precision import Precision
from dataflow.clock import rfc3339

#: The version of :func:`report`. A change of a field increases it.
FORMAT = 2

Report = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What was done. ``recorded``: where the rows are. ``scores``: whether alerts were decided from
    ``stored`` scores, or the events were scored ``again``; ``why``: the reason. ``size``: how many rows there
    are with stored scores, else how many events. ``settings``: those that differ from the recorded ones, with
    both values; ``None``: the recorded ones are not known. ``compared_with``: where the alerts of the other
    run are. ``notes``: what the reader must know.
    """

    recorded: str
    scores: Literal["stored", "again"]
    why: str
    size: int
    settings: Mapping[str, tuple[Any, Any]] | None
    compared_with: str | None
    notes: Sequence[str]


def report(
    run: Run,
    found: Comparison,
    precisions: Mapping[str, Precision] | None,
    by_marks: Mapping[str, Precision] | None = None,
) -> Report:
    """The report. ``precisions``: those of ``before`` and ``after``, if events have labels. ``by_marks``: the
    same, if there are marks.
    """
    settings = None
    if run.settings is not None:
        settings = {name: {"recorded": old, "now": new} for name, (old, new) in run.settings.items()}
    return {
        "format": FORMAT,
        "recorded": run.recorded,
        "scores": run.scores,
        "why": run.why,
        "rows" if run.scores == "stored" else "events": run.size,
        "settings": settings,
        "compared_with": run.compared_with,
        "notes": list(run.notes),
        "counts": {
            "before": len(found.before) if run.compared_with else None,
            "after": len(found.after),
            "same": len(found.pairs) - len(found.changed),
            "changed": len(found.changed),
            "new": len(found.new),
            "gone": len(found.gone),
        },
        "days": _counts(found, _day, "day"),
        "keys": sorted(_counts(found, _key, "key"), key=lambda row: -max(row["incidents"].values())),
        "precision": _precisions(precisions),
        "precision_by_marks": _precisions(by_marks),
        "new": [_incident(each) for each in found.new],
        "gone": [_incident(each) for each in found.gone],
        "changed": [_changed(pair) for pair in found.changed],
        "same": [_incident(pair.after) for pair in found.pairs if not pair.changes],
    }


def _day(incident: Incident) -> str:
    return rfc3339(incident.opened, "s")[:10]


def _key(incident: Incident) -> str:
    return incident.key


def _counts(found: Comparison, group: Callable[[Incident], str], name: str) -> list[dict[str, Any]]:
    """How many incidents opened, and how many events they have, before and after."""
    before, after = _of_groups(found.before, group), _of_groups(found.after, group)
    return [
        {
            name: each,
            "incidents": {"before": before[0][each], "after": after[0][each]},
            "events": {"before": before[1][each], "after": after[1][each]},
        }
        for each in sorted(before[0].keys() | after[0].keys())
    ]


def _of_groups(
    incidents: Iterable[Incident], group: Callable[[Incident], str]
) -> tuple[Counter[str], Counter[str]]:
    opened: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for incident in incidents:
        opened[group(incident)] += 1
        # The events of a merged incident count in the other one.
        if incident.state not in ("merged", "withdrawn"):
            events[group(incident)] += incident.count
    return opened, events


def _precisions(found: Mapping[str, Precision] | None) -> dict[str, Any] | None:
    return {name: {**vars(each), "share": each.share} for name, each in found.items()} if found else None


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "incident": incident.id,
        "key": incident.key,
        "state": incident.state,
        "opened": rfc3339(incident.opened),
        "first_ts": rfc3339(incident.first_ts),
        "last_ts": rfc3339(incident.last_ts),
        "count": incident.count,
        "peak": incident.peak,
        "message": incident.message,
        "texts": [each["text"] for each in incident.examples],
    }


def _changed(pair: Pair) -> dict[str, Any]:
    return {
        "matched_by": pair.matched,
        "changes": pair.changes,
        "before": _incident(pair.before),
        "after": _incident(pair.after),
    }
