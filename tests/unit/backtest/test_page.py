"""The page of a backtest: one file that shows texts as texts, and loads nothing."""

import re
import sys
from collections.abc import Sequence

import pytest

from dataflow.backtest import page as module
from dataflow.backtest.comparison import compare
from dataflow.backtest.incidents import Incident
from dataflow.backtest.page import page
from dataflow.backtest.precision import Precision
from dataflow.backtest.report import Report, Run, report
from dataflow.backtest.terminal import lines

BAD = '<script>alert("x")</script> & $x^2$ {{ 7 * 7 }}'
HOUR = 3_600_000_000


def incident(id: str, key: str, hour: int, count: int = 2) -> Incident:
    examples = tuple({"id": f"{id}{n}", "text": f"{BAD} {n}"} for n in range(2))
    return Incident(
        id, "events", key, "closed", hour * HOUR, hour * HOUR, hour * HOUR, count, 3.5, BAD, None, examples
    )


def a_report(before: Sequence[Incident], after: Sequence[Incident], compared: str | None = "out") -> Report:
    run = Run(f"out/{BAD}", "stored", "why", 7, {"alert.budget": ("20/d", BAD)}, compared, [BAD])
    found = {"before": Precision(1, 1, 0), "after": Precision(0, 0, 1)}
    return report(
        run, compare(before, after), found, {"before": Precision(1, 3, 2), "after": Precision(3, 1, 0)}
    )


BEFORE = [incident("a", BAD, 1), incident("b", "k", 30), incident("c", "k", 60)]
AFTER = [incident("a", BAD, 1), incident("b", "k", 30, count=3), incident("d", "l", 90)]


@pytest.mark.parametrize(
    "found", [a_report(BEFORE, AFTER), a_report([], AFTER, None), a_report([], []), a_report(BEFORE, [])]
)
def test_texts_are_shown_as_they_are_and_nothing_is_loaded(found: Report) -> None:
    pytest.importorskip("matplotlib", reason="the extra backtest is not installed")
    html = page(found)
    assert html is not None
    assert "<script" not in html
    assert "&lt;script&gt;alert(" in html
    assert "{{ 7 * 7 }}" in html
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", html.replace("xlink:href", "href"))
    assert not re.search(r"url\((?!#)", html)
    assert html == page(found)
    assert "<built-in" not in html


def test_the_terminal_shows_both_precisions() -> None:
    shown = [each for each in lines(a_report(BEFORE, AFTER), 120) if each.startswith("precision")]
    assert shown == [
        "precision by labels before: 0.50 (1 true, 1 false)",
        "precision by labels now: unknown (0 true, 0 false, 1 unknown)",
        "precision by marks before: 0.25 (1 true, 3 false, 2 unknown)",
        "precision by marks now: 0.75 (3 true, 1 false)",
    ]
    alone = report(Run("out", "again", "why", 7, None, None, []), compare([], AFTER), None)
    assert not [each for each in lines(alone, 120) if each.startswith("precision")]


def test_all_incidents_are_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra backtest is not installed")
    html = page(a_report(BEFORE, AFTER)) or ""
    for heading in ("New incidents", "Incidents that are gone", "Incidents that changed"):
        assert f"<h2>{heading}</h2>" in html
    assert "2 → <b>3</b>" in html
    shown = re.findall(r"<b>([^<]*)</b>(precision by [^<\n]*)", html)
    assert shown == [
        ("0.50", "precision by labels before"),
        ("?", "precision by labels now"),
        ("0.25", "precision by marks before"),
        ("0.75", "precision by marks now"),
    ]
    monkeypatch.setattr(module, "MOST_SHOWN", 1)
    many = [incident(f"n{hour}", "k", hour) for hour in range(3)]
    assert "2 more are in report.json." in (page(a_report([], many)) or "")


def test_without_the_extra_there_is_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert page(a_report(BEFORE, AFTER)) is None
