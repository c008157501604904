"""What the report says about given rows."""

import io
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from demo import report
from demo.scored import Events
from tests.support.demo_rows import line


def printed(path: Path, lines: str, *, in_stream: dict[str, int], top: int = 2, width: int = 100) -> str:
    path = path / "scores.jsonl"
    path.write_text(lines)
    events = Events(path)
    events.refresh()
    output = io.StringIO()
    console = Console(file=output, width=width, highlight=False)
    report.show(console, events.all(), in_stream=Counter(in_stream), top=top)
    return output.getvalue()


def test_the_lists_have_the_highest_events_with_all_columns(tmp_path: Path) -> None:
    shown = printed(
        tmp_path,
        line("a", 0.9, None, label="chat")
        + line("b", 0.5, 12.25, novelty=0.75, surge=35.75, label="burst", sentence="nearest of 200")
        + line("c", 0.25, 1.5, novelty=1.0, surge=0.5)
        + line("d", 0.1, 1.0),
        in_stream={"scattered": 1, "burst": 1},
    )
    by_anomaly, by_score = shown.split("highest anomaly")[1].split("highest score")
    assert re.findall(r"(\d\d:\S+ .*)\n  (.*)\n(?:  (nearest.*))?", by_anomaly) == [
        ("06:01:02    12.25     0.75   35.8   0.50  burst", "text of b [not markup]", "nearest of 200"),
        ("06:01:02     1.50     1.00    0.5   0.25", "text of c [not markup]", ""),
    ]
    assert re.findall(r"(\d\d:\S+ .*)\n  (.*)\n", by_score)[0] == (
        "06:01:02                            0.90  chat",
        "text of a [not markup]",
    )


@pytest.mark.parametrize("width", [80, 120])
def test_lines_are_cut_to_the_width_of_the_terminal(tmp_path: Path, width: int) -> None:
    row = line("a", 0.9, 3.0, text="今天下午三点" * 30, sentence="nearest of 200 " * 30, label="corruption")
    shown = printed(tmp_path, row, in_stream={"scattered": 20, "burst": 54}, width=width)
    assert max(map(cell_len, shown.splitlines())) <= width
    assert shown.count("…") == 4


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_are_those_of_a_plain_computation(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    labels = [rng.choice([None, None, "burst", "chat", "security"]) for _ in range(40)]
    drift = [label is None and rng.random() < 0.5 for label in labels]
    # Few different values, so that many are equal. Each event is in two windows.
    scores = [[rng.randrange(8) / 4 for _ in range(2)] for _ in labels]
    anomalies = [[rng.choice([None, *range(6)]) for _ in range(2)] for _ in labels]
    lines = [
        line(f"{i:02}", scores[i][w], anomalies[i][w], label=labels[i], drift=drift[i])
        for i in range(40)
        for w in range(2)
    ]
    rng.shuffle(lines)
    in_stream = {"burst": labels.count("burst"), "scattered": 40 - labels.count(None) - labels.count("burst")}
    total = sum(in_stream.values())
    shown = printed(tmp_path, "".join(lines), in_stream=in_stream)

    kinds = {
        f"scattered, of {in_stream['scattered']}": [label in {"chat", "security"} for label in labels],
        f"burst, of {in_stream['burst']}": [label == "burst" for label in labels],
        "new topic": drift,
        "other": [label is None and not drift[i] for i, label in enumerate(labels)],
        f"precision at {total}": [label is not None for label in labels],
    }
    for name, is_kind in kinds.items():
        counts = [sum(is_kind[i] for i in ranked(values)[:total]) for values in (scores, anomalies)]
        shown_counts = [f"{count / total:.2f}" if "precision" in name else str(count) for count in counts]
        assert re.search(rf"^{name} +{shown_counts[0]} +\S+ +{shown_counts[1]}$", shown, re.M), shown


def ranked(values: Sequence[Sequence[float | None]]) -> list[int]:
    """The events with a value, by their largest value, the highest first."""
    known = {i: [v for v in of_event if v is not None] for i, of_event in enumerate(values)}
    return sorted((i for i, of_event in known.items() if of_event), key=lambda i: (-max(known[i]), i))


def test_each_column_ranks_the_events_anew(tmp_path: Path) -> None:
    shown = printed(
        tmp_path,
        line("a", 0.9, 1.0, novelty=0.1, label="chat")
        + line("b", 0.2, 2.0, novelty=0.2, label="burst")
        + line("c", 0.1, 1.5, novelty=0.9, drift=True),
        in_stream={"scattered": 1},
    )
    assert re.search(r"^scattered, of 1 +1 +0 +0$", shown, re.M), shown
    assert re.search(r"^burst, of 0 +0 +0 +1$", shown, re.M), shown
    assert re.search(r"^new topic +0 +1 +0$", shown, re.M), shown


def test_events_without_an_anomaly_are_counted(tmp_path: Path) -> None:
    lines = line("a", 0.9, None, label="chat") + line("b", 0.8, None) + line("c", 0.1, 1.0)
    shown = " ".join(printed(tmp_path, lines, in_stream={"scattered": 1}).split())
    assert "2 events (1 planted) have no anomaly: the reference had too few events." in shown


def test_the_new_topic_has_a_median_for_each_half_hour(tmp_path: Path) -> None:
    times = ["02T06:29:59", "02T06:30:00", "02T06:45:00", "02T06:59:59", "02T07:10:00", "03T06:40:00"]
    lines = [
        line(f"{i}", 0.1, anomaly, drift=True, ts=f"2026-03-{time}.000000Z")
        for i, (time, anomaly) in enumerate(zip(times, [None, 3.0, 1.0, 2.5, 0.25, 0.5], strict=True))
    ]
    shown = printed(tmp_path, "".join([*lines, line("other", 0.1, 9.0)]), in_stream={})
    assert "6 normal events are about a new topic" in shown
    assert "06:30 2.5  07:00 0.2  06:30 0.5\n" in shown


def test_a_report_without_scores(tmp_path: Path) -> None:
    shown = printed(tmp_path, "", in_stream={})
    assert "0 events are planted" in shown
    assert "about a new topic" not in shown
