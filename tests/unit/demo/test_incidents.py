"""What the demo says about incidents."""

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from demo import incidents
from demo.scored import Events
from tests.support.demo_rows import line


def row(incident: str, sequence: int, state: str, count: int, *ids: str) -> dict[str, Any]:
    examples = [{"id": id, "text": f"text of {id}", "explanation": f"about {id}"} for id in ids]
    decided = f"2026-03-02T08:{10 + 5 * sequence}:00.000000Z"
    return {
        "incident": incident,
        "sequence": sequence,
        "state": state,
        "decided": decided,
        "count": count,
        "peak": 3.25,
        "kind": "events",
        "examples": examples,
    }


def test_each_incident_is_shown_once_as_it_is_now(tmp_path: Path) -> None:
    scores, alerts = tmp_path / "scores.jsonl", tmp_path / "alerts.jsonl"
    scores.write_text(line("a", 1, 4.0, label="burst") + line("b", 1, 4.0, drift=True) + line("c", 1, 4.0))
    rows = [
        row("one", 0, "open", 1, "a"),
        row("two", 0, "open", 3, "c"),
        row("gone", 0, "open", 1, "c"),
        row("one", 1, "updated", 58, "a", "b", "c"),
        row("gone", 1, "merged", 1, "c"),
        row("one", 2, "closed", 58, "a", "b", "c"),
    ]
    alerts.write_text("".join(json.dumps(each) + "\n" for each in rows))
    events, output = Events(scores), io.StringIO()
    events.refresh()
    incidents.show(Console(file=output, width=80), alerts, {event.id: event for event in events.all()})
    assert output.getvalue().splitlines()[1:] == [
        "2 incidents, with a budget of 20 a day and an hour of history",
        "",
        "decided   events   peak  examples",
        "08:10:00      58    3.2  burst, new topic, usual",
        "  text of a",
        "  about a",
        "08:10:00       3    3.2  usual",
        "  text of c",
        "  about c",
    ]


def test_without_alerts_there_are_no_incidents(tmp_path: Path) -> None:
    assert incidents.incidents(tmp_path / "alerts.jsonl") == []
