"""How the cost of an event grows: points are what they say, starts cancel out, and the limit is a limit."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryFile

import orjson
import pytest

from benchmarks import growth
from benchmarks.kit import curves, plots
from benchmarks.kit.assumptions import Assumptions
from benchmarks.kit.costs import Machine, Pinned, Point, Spent, progress_us, row_bytes, sources, state_bytes
from benchmarks.kit.curves import BASE, PARTS, STAGES, Costs, Curve
from dataflow.clock import micros
from dataflow.settings import load

MACHINE = Machine(flops=1e11, bandwidth=1e10)
SMALL = Point(per_second=2)


@pytest.mark.parametrize("part", PARTS.values(), ids=list(PARTS))
def test_each_part_changes_one_thing(part: curves.Part) -> None:
    assert set(part.quick) <= set(part.values)
    for value, point in part.points(full=True).items():
        assert getattr(point, part.name) == value
        same = replace(BASE, scorer=part.scorer)
        assert replace(point, **{part.name: getattr(BASE, part.name)}) == same


def test_the_settings_of_a_point_are_those_of_the_flow(tmp_path: Path) -> None:
    point = Point(length_s=60, overlap=4, keys=10, dim=768)
    found = load(point.settings(tmp_path / "*.jsonl", tmp_path / "scores.jsonl"))
    assert (found.embed.dim, found.embed.kind, found.source.key_field) == (768, "null", "host")
    assert (micros(found.window.length), micros(found.window.slide)) == (60_000_000, 15_000_000)
    for point in STAGES.values():
        reference = "reference" in dict(point.more) or any("REFERENCE" in name for name, _ in point.more)
        assert load(point.settings(tmp_path, tmp_path)).score.reference is reference


@pytest.mark.parametrize("processes", [1, 2])
def test_each_process_has_a_file_of_its_own(tmp_path: Path, processes: int) -> None:
    pattern = sources(tmp_path, Point(keys=3, processes=processes), 60)
    files = sorted(Path(pattern).parent.glob("*.jsonl"))
    lines = [[orjson.loads(line) for line in file.read_bytes().splitlines()] for file in files]
    assert [len(each) for each in lines] == [60 // processes] * processes
    assert {line["host"] for each in lines for line in each} == {f"host-{number}" for number in range(3)}
    assert sources(tmp_path, Point(keys=3, processes=processes), 60) == pattern


def test_the_start_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(point: Point, source: str, folder: Path) -> Spent:
        events = sum(len(file.read_bytes().splitlines()) for file in Path(source).parent.iterdir())
        ran.append(events)
        return Spent(5 + 2e-6 * events, 3 + 1e-6 * events, 7 + 4e-6 * events)

    ran: list[int] = []
    monkeypatch.setattr(curves, "run", run)
    costs = Costs(tmp_path, 400, 2)
    short = replace(BASE, length_s=1)
    assert costs.us(short) == pytest.approx([2.0, 2.0])
    assert costs.us(short)
    assert ran == [100, 400] * 2
    (once, _) = costs.spent(replace(short, keys=1000), times=2)
    assert once == pytest.approx((2e-6, 1e-6, 4e-6))
    assert ran[4:6] == [250, 1000]
    # Four lengths of a window, and one.
    costs.spent(replace(BASE, length_s=30))
    assert ran[-2:] == [600, 2400]


def core() -> int:
    return min(os.sched_getaffinity(0))


def test_a_process_that_fails_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('broken', file=sys.stderr); sys.exit(3)"
    failed = pytest.raises(subprocess.CalledProcessError)
    with TemporaryFile() as log, Pinned([sys.executable, "-c", code], {}, core(), log) as process, failed:
        process.finish()
    assert "broken" in capfd.readouterr().err


@pytest.mark.parametrize("overlap", [1, 2, 10])
def test_an_event_is_held_once_whatever_the_overlap(overlap: int) -> None:
    assert 1 <= state_bytes(replace(SMALL, overlap=overlap)) / row_bytes(SMALL.dim) < 1.5


def test_the_least_grows_with_the_work_and_is_nothing_on_an_infinite_machine() -> None:
    least = MACHINE.least_us(BASE, 10)
    assert MACHINE.least_us(replace(BASE, dim=768), 10) == pytest.approx(2 * least)
    assert MACHINE.least_us(replace(BASE, overlap=4), 10) > least
    assert MACHINE.least_us(BASE, 20) > least
    assert Machine(float("inf"), float("inf")).least_us(BASE, 10) == 0
    # No window of a key has more events than clusters: only copies are left.
    many = MACHINE.least_us(replace(BASE, keys=10_000), 10)
    assert many == MACHINE.least_us(replace(BASE, scorer="mean"), 10) < least


def test_k_means_iterates_on_windows_with_more_events_than_clusters(tmp_path: Path) -> None:
    costs = Costs(tmp_path, 60, 1)
    assert costs.iterations(SMALL) > 0
    assert costs.iterations(replace(SMALL, keys=10_000)) == 0
    assert costs.iterations(replace(SMALL, scorer="mean")) == 0


def test_the_step_progress_takes_time() -> None:
    assert progress_us(5_000) > 0


def curve(part: curves.Part) -> Curve:
    values = {value: [3.0, 5.0] for value in part.quick}
    return Curve(part, values, dict.fromkeys(values, 1.0), dict.fromkeys(values, 1700.0))


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_a_small_picture_a_table_and_figures(tmp_path: Path, name: str) -> None:
    found = curve(PARTS[name])
    file = tmp_path / "pictures" / "one.png"
    plots.panels(file, growth.title(name, found), curves.drawn(found, MACHINE))
    assert 1_000 < file.stat().st_size < 60_000
    assert "1 times the CPU time" in growth.title(name, found)
    assert [len(row) for row in curves.rows(found)] == [1 + len(growth.HEADS)] * len(found.us)
    assert [figure.value for figure in growth.figures(name, found)] == [1, 1]


class FakeCosts(Costs):
    def spent(self, point: Point, times: int = 1) -> list[Spent]:
        return [Spent(1e-5 * (1 + len(point.more)), 1e-5 / point.processes, 1e-5)]


def test_what_the_model_on_paper_reads_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    costs = FakeCosts(tmp_path, 1, 1)
    reported = [*growth.processes(costs, tmp_path), *growth.computed(costs, tmp_path)]
    wanted = [each.metadata["figure"] for each in fields(Assumptions) if each.metadata["figure"]]
    assert {name for name, _ in wanted} == {"growth"}
    assert {figure for _, figure in wanted} <= {each.name for each in reported}
    assert {path.name for path in tmp_path.iterdir()} == {"growth-processes.png", "growth-stages.png"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (12, "12"), (1536, "1,536"), (20_000, "20k"), (1e6, "1M"), (2.5e9, "2.5G")],
)
def test_labels_are_short(value: float, text: str) -> None:
    assert plots.short(value) == text
