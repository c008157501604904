"""Each event counts once, with its largest values, however its rows come."""

from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest

from demo.scored import Event, Events, Evidence, highest, planted
from tests.support.demo_rows import line


def read(path: Path, text: str) -> list[Event]:
    path.write_text(text)
    events = Events(path)
    events.refresh()
    return events.all()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_each_event_counts_once_with_its_largest_values(tmp_path: Path, order: tuple[int, ...]) -> None:
    lines = [
        line("a", 0.9, None),
        line("a", 0.5, 2.5, novelty=0.7, surge=1.0, sentence="nearest of 200"),
        line("a", 0.6, 1.5, novelty=0.8, surge=3.0),
    ]
    (event,) = read(tmp_path / "scores.jsonl", "".join(lines[i] for i in order))
    assert event.score == 0.9
    assert event.evidence == Evidence(2.5, 0.7, 1.0, "nearest of 200")


def test_an_event_without_an_anomaly_has_no_evidence(tmp_path: Path) -> None:
    (event,) = read(tmp_path / "scores.jsonl", line("a", 0.9, None) + line("a", 0.8, None))
    assert event.evidence is None


def test_a_growing_file_is_read_by_complete_lines(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    events = Events(path)
    events.refresh()
    assert len(events) == 0
    second = line("b", 0.7, 1.0)
    path.write_text(line("a", 0.5, 1.0) + second[:40])
    events.refresh()
    assert (len(events), events.rows) == (1, 1)
    with path.open("a") as file:
        file.write(second[40:] + second)
    events.refresh()
    assert (len(events), events.rows) == (2, 3)


def test_equal_values_are_in_the_order_of_ids_and_unknown_ones_are_left_out(tmp_path: Path) -> None:
    lines = [line(name, 0.5, None if name == "b" else 1.0) for name in "dbac"] + [line("z", 0.5, 2.0)]
    events = read(tmp_path / "scores.jsonl", "".join(lines))

    def anomaly(event: Event) -> float | None:
        return event.evidence.anomaly if event.evidence else None

    for some in permutations(events):
        assert [event.id for event in highest(some, anomaly, 3)] == ["z", "a", "c"]
        assert [event.id for event in highest(some, anomaly, 9)] == ["z", "a", "c", "d"]


def test_labels_are_of_a_burst_or_of_scattered_anomalies() -> None:
    assert planted(["burst", "chat", None, "burst", "security"]) == Counter(burst=2, scattered=2)
