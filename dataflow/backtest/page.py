"""The report as a page: one file, without scripts, that loads nothing."""

from importlib.resources import files

from dataflow.backtest import plots
from dataflow.backtest.report import Report

#: A list of incidents on the page has so many; ``report.json`` has all.
MOST_SHOWN = 300


def page(report: Report) -> str | None:
    """The page; ``None``: the packages of the extra ``backtest`` are not installed."""
    try:
        import matplotlib  # noqa: F401, PLC0415  an optional dependency
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415
        from markupsafe import Markup  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(files(__package__).joinpath("report.html.jinja").read_text("utf-8"))
    drawn = {name: Markup(svg) for name, svg in _plots(report).items()}  # matplotlib escapes texts
    return template.render(report=report, plots=drawn, most=MOST_SHOWN)


def _plots(report: Report) -> dict[str, str]:
    if not report["days"]:
        return {}
    drawn = {"timeline": plots.timeline(report), "days": plots.days(report)}
    return drawn | ({"keys": plots.keys(report)} if len(report["keys"]) > 1 else {})
