"""The report keeps the highest score of each event and counts the planted anomalies."""

import io
import json
from pathlib import Path

from rich.console import Console

from demo import report
from demo.report import BestScores


def scored(name: str, score: float, label: str | None = None) -> str:
    """A line of the stream ``scores``."""
    row = {
        "id": name,
        "score": score,
        "ts": "2026-03-02T06:01:02.5Z",
        "window_start": "2026-03-02T06:00:00Z",
        "window_end": "2026-03-02T06:10:00Z",
        "text": f"text of {name} [not markup]",
        "attributes": {"label": label, "service": "s"},
    }
    return json.dumps(row) + "\n"


def test_each_event_is_kept_once_with_its_highest_score(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(scored("a", 0.5) + scored("b", 0.7) + scored("a", 0.9) + scored("b", 0.1))
    best = BestScores(path)
    best.refresh()
    assert [(event.id, event.score) for event in best.top(9)] == [("a", 0.9), ("b", 0.7)]
    assert (len(best), best.rows) == (2, 4)


def test_a_growing_file_is_read_by_complete_lines(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    best = BestScores(path)
    best.refresh()
    assert len(best) == 0
    line = scored("b", 0.7)
    path.write_text(scored("a", 0.5) + line[:40])
    best.refresh()
    assert len(best) == 1
    with path.open("a") as file:
        file.write(line[40:])
    best.refresh()
    assert len(best) == 2


def test_the_report_says_how_many_anomalies_were_found(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(scored("a", 0.9, "chat") + scored("b", 0.8) + scored("c", 0.1, "hardware"))
    best = BestScores(path)
    best.refresh()
    output = io.StringIO()
    report.show(Console(file=output, width=100), best, planted=2, top=2)
    shown = output.getvalue()
    assert "1 of the 2 planted anomalies are in the top 2 (precision at 2: 0.50)" in shown
    assert "0.900" in shown
    assert "06:01:02" in shown
    assert "06:00-06:10" in shown
    assert "text of a [not markup]" in shown
    assert "text of c" not in shown


def test_a_report_without_scores() -> None:
    output = io.StringIO()
    report.show(Console(file=output), BestScores(Path("missing")), planted=0, top=3)
    assert "0 of the 0" in output.getvalue()
