"""The report as lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.backtest.report import Report

#: So many incidents, days and keys are shown; the files have all.
_MOST = 20


def lines(report: Report, width: int) -> Iterator[str]:
    """The report, in lines of at most ``width`` characters where texts are cut."""
    many = f"{report['rows']:,} rows" if report["scores"] == "stored" else f"{report['events']:,} events"
    yield f"{many} of {report['recorded']}; scores: {report['scores']}, because {report['why']}"
    for name, values in (report["settings"] or {}).items():
        yield f"  {name}: {_value(values['recorded'])} -> {_value(values['now'])}"
    yield from (f"note: {each}" for each in report["notes"])
    yield ""
    has_before = report["compared_with"] is not None
    counts = report["counts"]
    if has_before:
        yield f"compared with {report['compared_with']}"
        yield f"incidents: {counts['before']} before, {counts['after']} now"
        yield " ".join(f"{counts[name]} {name}," for name in ("same", "changed", "new", "gone")).rstrip(",")
    else:
        yield f"incidents: {counts['after']} (no alerts of another run to compare with)"
    for field, by in (("precision", "labels"), ("precision_by_marks", "marks")):
        for name, each in (report[field] or {}).items():
            if has_before or name == "after":
                yield _precision(name, by, each)
    for name in ("day", "key"):
        yield ""
        yield from _table(name, report[f"{name}s"], has_before)
    for name in ("new", "gone"):
        yield from _incidents(name if has_before else "incidents", report[name], width)
    yield from _changed(report["changed"], width)


def _value(value: Any) -> str:
    return "unset" if value is None else str(value)


def _precision(name: str, by: str, found: Mapping[str, Any]) -> str:
    share = "unknown" if found["share"] is None else f"{found['share']:.2f}"
    when = "before" if name == "before" else "now"
    unknown = f", {found['unknown']} unknown" if found["unknown"] else ""
    return f"precision by {by} {when}: {share} ({found['true']} true, {found['false']} false{unknown})"


def _table(name: str, rows: Sequence[Mapping[str, Any]], has_before: bool) -> Iterator[str]:
    shown = rows[:_MOST]
    wide = max([len(name), *(len(row[name]) for row in shown)])
    columns = [(what, when) for what in ("incidents", "events") for when in ("before", "after")]
    columns = [each for each in columns if has_before or each[1] == "after"]
    heads = [f"{what} {'before' if when == 'before' else 'now'}" for what, when in columns]
    yield "  ".join([name.ljust(wide), *heads])
    for row in shown:
        numbers = [
            f"{row[what][when]:>{len(head)},}" for (what, when), head in zip(columns, heads, strict=True)
        ]
        yield "  ".join([row[name].ljust(wide), *numbers])
    if len(rows) > len(shown):
        yield f"... and {len(rows) - len(shown)} more"


def _incidents(name: str, found: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield f"{name}:"
    for each in found[:_MOST]:
        yield _cut(f"  {each['key']}: {each['message']}", width)
    if len(found) > _MOST:
        yield f"  ... and {len(found) - _MOST} more"


def _changed(found: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield "changed:"
    for each in found[:_MOST]:
        old, new = each["before"], each["after"]
        what = ", ".join(f"{name} {_short(old[name])} -> {_short(new[name])}" for name in each["changes"])
        yield _cut(f"  {new['key']}: {what}: {new['message']}", width)
    if len(found) > _MOST:
        yield f"  ... and {len(found) - _MOST} more"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return value[:19] + "Z" if isinstance(value, str) and value.endswith("Z") else str(value)


def _cut(line: str, width: int) -> str:
    line = " ".join(line.splitlines())
    return line if len(line) <= width else line[: width - 3] + "..."
