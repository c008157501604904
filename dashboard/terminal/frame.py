"""One picture of the top of the stream, for a terminal of any size."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataflow.telemetry.logs import visible

#: Rarer than once in a thousand.
_RARE = 3.0
_BAR = 6
#: Fewest rows, even if the frame is then higher than the terminal.
_LEAST_ROWS = 3
_MOST_INCIDENTS = 5
_SOURCE_COLOURS = {"live": "green", "loading": "yellow", "lagging": "yellow", "empty": "yellow"}


@dataclass(frozen=True)
class Shown:
    """What a frame shows. ``state``, ``rows``, ``incidents``, ``health``: as the page's server answers.

    ``sort``: by what the rows are sorted. ``keys``: what the keyboard does; empty: nothing.
    """

    state: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    incidents: Sequence[Mapping[str, Any]]
    health: Mapping[str, Any] | None
    sort: str
    keys: str = ""


def frame(shown: Shown, width: int, height: int) -> RenderableType:
    """A picture of ``width`` characters and ``height`` lines at most, unless ``height`` is very small."""
    above: list[RenderableType] = [_title(shown.state), *_problems(shown.state)]
    if shown.health is not None:
        above.append(_rates(shown.health))
    incidents = shown.incidents[:_MOST_INCIDENTS]
    below: list[RenderableType] = [Text(), _incidents(incidents)] if incidents else []
    # A blank line and a heading stand above the rows, and above the incidents.
    lines = len(above) + 2 + (2 + len(incidents) if incidents else 0) + bool(shown.keys)
    rows = _rows(shown, max(height - lines, _LEAST_ROWS), width)
    parts: list[RenderableType] = [*above, Text(), rows, *below]
    if shown.keys:
        parts.append(Text(shown.keys, style="dim", no_wrap=True))
    return Group(*parts)


def _title(state: Mapping[str, Any]) -> Text:
    open_incidents = state["incidents"]["open"]
    read = state["watermark"] and _time(state["watermark"], "%d %b %H:%M:%S UTC")
    title = Text("Driftline  ", style="bold", no_wrap=True, overflow="ellipsis")
    title.append(f"{read or 'no window yet'}  ", style="not bold")
    title.append(f"{state['events']:,} events  {state['windows']:,} windows  ", style="not bold")
    title.append(f"{open_incidents} open incidents", style="bold red" if open_incidents else "not bold")
    return title


def _problems(state: Mapping[str, Any]) -> list[Text]:
    """A line for each output that is not live."""
    return [
        Text.assemble(
            (
                f"{stream['stream'] or 'output'} {stream['state']}: ",
                _SOURCE_COLOURS.get(stream["state"], "red"),
            ),
            visible(stream["message"] or ""),
            no_wrap=True,
            overflow="ellipsis",
        )
        for stream in state["streams"]
        if stream["state"] not in ("live", "empty") or stream["broken"]
    ]


def _rates(health: Mapping[str, Any]) -> Text:
    """The rate of each stage, from the metrics of the flow."""
    if not health["reachable"]:
        return Text(visible(health["message"]), style="red", no_wrap=True, overflow="ellipsis")
    line = Text(no_wrap=True, overflow="ellipsis")
    for name, label in _RATES.items():
        rates = [
            metric["rate"]
            for stage in health["stages"]
            for metric in stage["metrics"]
            if metric["name"] == name and metric["rate"] is not None
        ]
        if rates:
            line.append(f"{label} ", style="dim")
            line.append(f"{sum(rates):,.0f}/s  ")
    return line if line else Text("the rates come with the next reading of the metrics", style="dim")


#: Metric -> how the line of rates calls it.
_RATES = {
    "driftline_records_total": "source",
    "driftline_embed_request_texts_count": "embed requests",
    "driftline_scored_rows_total": "scored",
    "driftline_alerts_total": "alerts",
    "driftline_late_events_total": "late",
    "driftline_dead_letters_total": "dead letters",
}


def _rows(shown: Shown, height: int, width: int) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, header_style="bold")
    several = shown.state["keys_total"] > 1
    columns: list[tuple[str, Callable[[Mapping[str, Any]], Text]]] = [
        ("anomaly", _anomaly),
        ("time", lambda row: Text(_time(row["ts"], "%H:%M:%S"))),
        (
            "window",
            lambda row: Text(f"{_time(row['window_start'], '%H:%M')}-{_time(row['window_end'], '%H:%M')}"),
        ),
        *([("key", lambda row: Text(visible(row["key"])))] if several else []),
        ("text", lambda row: Text(visible(row["text"]))),
        ("novelty", lambda row: _number(row["novelty"])),
        ("score", lambda row: _number(row["score"])),
    ]
    for name, _ in columns:
        wide = name == "text"
        table.add_column(
            f"{name} ↓" if name == shown.sort else name,
            ratio=1 if wide else None,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if name in ("novelty", "score") else "left",
            max_width=max(8, width // 6) if name == "key" else None,
            style="" if name in ("anomaly", "text") else "dim",
        )
    for row in shown.rows[:height]:
        table.add_row(*(cell(row) for _, cell in columns))
    return table


def _number(value: float | None) -> Text:
    return Text("-" if value is None else f"{value:.2f}")


def _anomaly(row: Mapping[str, Any]) -> Text:
    value = row["anomaly"]
    if value is None:
        return Text(" " * (_BAR + 1) + "  -", style="dim")
    filled = min(_BAR, round(value))
    style = "bold red" if value >= _RARE else ""
    return Text.assemble(("━" * filled, style or "dim"), " " * (_BAR - filled + 1), (f"{value:4.1f}", style))


def _incidents(incidents: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, header_style="bold")
    for name in ("incident", "since", "events", "peak", "what"):
        table.add_column(
            name,
            ratio=1 if name == "what" else None,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if name in ("events", "peak") else "left",
        )
    for each in incidents:
        table.add_row(
            Text(each["state"], style="bold red" if each["state"] not in ("closed", "withdrawn") else "dim"),
            Text(_time(each["first_ts"], "%d %b %H:%M")),
            Text(f"{each['count']:,}"),
            Text(f"{each['peak']:.1f}"),
            Text(visible(_what(each))),
        )
    return table


def _what(incident: Mapping[str, Any]) -> str:
    """An incident in a few words: an example, or for drift what changed."""
    if incident["kind"] == "drift" or not incident["examples"]:
        return str(incident["message"])
    return str(incident["examples"][0]["text"])


def _time(microseconds: int, shape: str) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, timezone.utc).strftime(shape)
