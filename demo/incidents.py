"""The incidents of the demo: what the alerts say, and what their examples really are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from demo.scored import Event

_HEAD = "decided   events   peak  examples"
_OVER = ("merged", "withdrawn")


def incidents(path: Path) -> list[dict[str, Any]]:
    """The last row about each incident of a file of alerts, with the time of its first row as ``opened``;
    those that opened first come first.
    """
    found: dict[str, dict[str, Any]] = {}
    for line in path.read_bytes().splitlines() if path.exists() else ():
        row = json.loads(line)
        opened = found[row["incident"]]["opened"] if row["incident"] in found else row["decided"]
        found[row["incident"]] = row | {"opened": opened}
    return [row for row in found.values() if row["state"] not in _OVER]


def show(console: Console, path: Path, events: Mapping[str, Event]) -> None:
    """Prints the incidents of a file of alerts. ``events``: the scored events, by id."""
    found = incidents(path)
    console.print(f"\n{len(found)} incidents, with a budget of 20 a day and an hour of history\n")
    console.print(_HEAD, style="bold")
    for row in found:
        top, kinds = row["examples"][0], [_kind(events[each["id"]]) for each in row["examples"]]
        count, about, text = str(row["count"]), ", ".join(kinds), top["text"]
        if row["kind"] == "drift":
            count, about, text = "", f"drift in {row['count']} windows", row["message"]
        console.print(f"{row['opened'][11:19]}  {count:>6}  {row['peak']:>5.1f}  {about}")
        for line, style in ((text, ""), (top["explanation"], "dim")):
            if line:
                console.print(Text(f"  {line}", style=style), no_wrap=True, overflow="ellipsis")


def _kind(event: Event) -> str:
    return event.label or ("new topic" if event.drift else "usual")
