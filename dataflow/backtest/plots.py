"""The plots of a report, as SVG. They need matplotlib, which the extra ``backtest`` brings."""

# ruff: noqa: PLC0415  an optional dependency is imported when it is used

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataflow.backtest.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What an incident became, and its colour. The colours can be told apart without red and green.
COLOURS = {"same": "#9aa0a6", "changed": "#e69f00", "new": "#0072b2", "gone": "#d55e00"}
_BEFORE, _AFTER = "#9aa0a6", "#0072b2"
#: So many keys are shown, those with the most incidents.
_MOST_KEYS = 15
_MOST_CHARACTERS = 28
_STYLE: Any = {
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "driftline",  # equal reports are equal files
    "text.parse_math": False,  # a key may have dollar signs
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa0a6",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8eaed",
}


def timeline(report: Report) -> str:
    """Each incident: when it opened, and the highest ``anomaly`` of its events."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    groups: Mapping[str, Iterable[Mapping[str, Any]]] = {
        "same": report["same"],
        "changed": [each["after"] for each in report["changed"]],
        "new": report["new"],
        "gone": report["gone"],
    }

    def draw(axes: "Axes") -> None:
        for name, incidents in groups.items():
            found = list(incidents)
            if found:
                times: Any = [datetime.fromisoformat(each["opened"].replace("Z", "+00:00")) for each in found]
                marker = "x" if name == "gone" else "o"
                label = f"{name} ({len(found)})" if report["compared_with"] else f"incident ({len(found)})"
                peaks = [each["peak"] for each in found]
                axes.scatter(times, peaks, s=28, c=COLOURS[name], marker=marker, label=label, alpha=0.85)
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_ylabel("highest anomaly")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=4, frameon=False)

    return _svg(draw, height=3.4)


def days(report: Report) -> str:
    """How many incidents opened on each day."""
    from matplotlib.ticker import MaxNLocator

    rows = report["days"]

    def draw(axes: "Axes") -> None:
        _bars(axes.bar, range(len(rows)), rows, report)
        step = max(1, len(rows) // 12)
        axes.set_xticks(range(0, len(rows), step), [row["day"] for row in rows[::step]])
        axes.set_ylabel("incidents")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="x")
        axes.margins(y=0.15)

    return _svg(draw, height=2.8)


def keys(report: Report) -> str:
    """How many incidents the keys with the most incidents have."""
    from matplotlib.ticker import MaxNLocator

    rows = report["keys"][:_MOST_KEYS]

    def draw(axes: "Axes") -> None:
        _bars(axes.barh, range(len(rows)), rows, report)
        axes.set_yticks(range(len(rows)), [_cut(row["key"]) for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("incidents")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="y")

    return _svg(draw, height=1.2 + 0.34 * len(rows))


def _bars(
    draw: Callable[..., Any], places: Sequence[int], rows: Sequence[Mapping[str, Any]], report: Report
) -> None:
    after = [row["incidents"]["after"] for row in rows]
    if not report["compared_with"]:
        draw(places, after, 0.6, color=_AFTER)
        return
    before = [row["incidents"]["before"] for row in rows]
    draw([place - 0.2 for place in places], before, 0.38, color=_BEFORE, label="before")
    bars = draw([place + 0.2 for place in places], after, 0.38, color=_AFTER, label="now")
    bars[0].axes.legend(frameon=False)


def _cut(key: str) -> str:
    key = " ".join(key.split())
    return key if len(key) <= _MOST_CHARACTERS else key[: _MOST_CHARACTERS - 1] + "…"


def _svg(draw: Callable[["Axes"], None], height: float) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, height), layout="constrained")
        draw(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
