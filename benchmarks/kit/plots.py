"""The pictures of the benchmarks, as PNG files. Each has one message, which its title says."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from PIL import Image

#: They can be told apart without red and green.
MEASURED, LIMIT, OTHER, LOSS = "#0072b2", "#d55e00", "#009e73", "#e69f00"
_GREY = "#9aa0a6"
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8eaed",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
_DPI = 110


class Line(NamedTuple):
    """A line of a plot. ``dashed``: a limit, no measurement."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = MEASURED
    dashed: bool = False


class Panel(NamedTuple):
    """One coordinate system of a picture. ``log``: the axes with a logarithmic scale, such as ``xy``."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log: str = ""


class Bar(NamedTuple):
    """A bar of a waterfall, as wide as ``size``; ``note`` stands beside it."""

    label: str
    size: float
    note: str


@contextmanager
def picture(path: Path, title: str, width: float = 8.6, height: float = 3.7) -> Iterator[Figure]:
    """A figure, which is written to ``path`` at the end. Makes the folder."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = io.BytesIO()
        figure.savefig(drawn)
    # Few colours make a small file.
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)
    print(f"wrote {path}", flush=True)


def short(value: float, _: object = None) -> str:
    """A number for a tick or a label: 0.25, 12, 1,500, 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def panels(path: Path, title: str, parts: Sequence[Panel]) -> None:
    """The panels side by side."""
    with picture(path, title) as figure:
        for number, part in enumerate(parts):
            _panel(figure.add_subplot(1, len(parts), number + 1), part)


def _panel(axes: Axes, part: Panel) -> None:
    for line in part.lines:
        style = "--" if line.dashed else "-"
        marker = "" if line.dashed else "o"
        axes.plot(line.x, line.y, style, marker=marker, color=line.colour, label=line.label, linewidth=1.8)
    axes.set_title(part.title, loc="left")
    axes.set_xlabel(part.x_label)
    axes.set_ylabel(part.y_label)
    ticks = sorted({x for line in part.lines for x in line.x})
    if "x" in part.log:
        axes.set_xscale("log")
    axes.set_xticks(ticks, [short(tick) for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    top = max(y for line in part.lines for y in line.y)
    if "y" in part.log:
        axes.set_yscale("log")
        axes.set_ylim(top=top * 12)
    else:
        # Room for the legend above the lines.
        axes.set_ylim(0, top * 1.45)
    axes.yaxis.set_major_formatter(FuncFormatter(short))
    axes.legend(loc="upper left")


def waterfall(path: Path, title: str, x_label: str, bars: Sequence[Bar], total: str) -> None:
    """Each bar begins where the one before it ends; the last one, ``total``, is their sum."""

    def draw(axes: Axes) -> None:
        at = 0.0
        for number, bar in enumerate(bars):
            colour = MEASURED if number == 0 else LOSS if bar.size >= 0 else OTHER
            axes.barh(number, bar.size, left=at, color=colour, height=0.62)
            axes.text(max(at, at + bar.size), number, f"  {bar.note}", va="center", fontsize=8.5)
            at += bar.size
            axes.plot([at, at], [number, number + 1], color=_GREY, linewidth=0.8)
        axes.barh(len(bars), at, color=_GREY, height=0.62)
        axes.set_xlim(0, at * 1.3)
        axes.set_yticks(range(len(bars) + 1), [*(bar.label for bar in bars), total])
        axes.invert_yaxis()

    _wide(path, title, x_label, draw, len(bars) + 1)


def tornado(
    path: Path, title: str, x_label: str, middle: float, rows: Sequence[tuple[str, float, float]]
) -> None:
    """For each row, a bar from its lower to its higher result; the line is the result without a change."""

    def draw(axes: Axes) -> None:
        for number, (_, low, high) in enumerate(rows):
            first, last = sorted((low, high))
            axes.barh(number, last - first, left=first, color=LOSS, height=0.62)
        axes.axvline(middle, color=MEASURED, linewidth=1.5)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axes.set_xlim(0, max(max(low, high) for _, low, high in rows) * 1.1)
        axes.invert_yaxis()

    _wide(path, title, x_label, draw, len(rows))


def _wide(path: Path, title: str, x_label: str, draw: Callable[[Axes], None], rows: int) -> None:
    """A picture of horizontal bars."""
    with picture(path, title, height=1.3 + 0.36 * rows) as figure:
        axes = figure.add_subplot()
        draw(axes)
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_formatter(FuncFormatter(short))
        axes.grid(visible=False, axis="y")
