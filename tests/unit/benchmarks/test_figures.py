"""The figures of the benchmarks: what a script reports is what the suite reads and a reader sees."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import __main__ as suite
from benchmarks.kit import machine
from benchmarks.kit.figures import VARIABLE, middle, not_measured, number, ratio, read, report, speed
from benchmarks.kit.measure import Took
from benchmarks.suite import SUITE, Benchmark

POSITIVE = st.floats(1e-3, 1e6)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1))
def test_a_ratio_is_that_of_medians_with_the_range_of_the_rounds(rounds: list[tuple[float, float]]) -> None:
    over, under = ([one[side] for one in rounds] for side in (0, 1))
    found = ratio("a / b", over, under)
    assert found.value == pytest.approx(middle("", over).value / middle("", under).value)
    assert (found.least, found.most) == (min(a / b for a, b in rounds), max(a / b for a, b in rounds))
    assert found.rounds == len(rounds)
    # The faster one takes less time.
    taken = {"a": [Took(one, 0) for one in under], "b": [Took(one, 0) for one in over]}
    assert speed(taken, "a", "b") == found


@pytest.mark.parametrize(
    ("value", "goal", "at_most", "met"),
    [(3.0, 3.0, False, True), (2.9, 3.0, False, False), (0.3, 0.2, True, False), (0.2, 0.2, True, True)],
)
def test_a_goal_has_a_direction(value: float, goal: float, at_most: bool, met: bool) -> None:
    figure = middle("figure", [value], goal=goal, at_most=at_most)
    assert figure.met is met
    assert figure.cells()[-2:] == (f"{'<=' if at_most else '>='} {number(goal)}", "yes" if met else "no")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.01234, "0.0123"), (3.268, "3.27"), (65536.4, "65,536"), (1e-7, "1e-07")],
)
def test_a_number_has_three_digits_that_say_something(value: float, text: str) -> None:
    assert number(value) == text


def test_what_is_reported_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures"
    assert read(file) == ([], {}, {})
    monkeypatch.setenv(VARIABLE, str(file))
    first, second = middle("events", [1.0, 3.0], "a second", 2.0), ratio("a / b", [1.0], [2.0])
    report([first], {"pyspark": "4.2.0"})
    not_measured("bf16", ValueError("no such instructions"))
    report([second])
    assert read(file) == ([first, second], {"pyspark": "4.2.0"}, {"bf16": "no such instructions"})


def _benchmark(folder: Path, name: str, code: str) -> Benchmark:
    (folder / f"{name}.py").write_text(code)
    return Benchmark(name, name)


def test_a_benchmark_that_fails_or_says_nothing_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = "from benchmarks.kit.figures import middle, report\nreport([middle('speed', [2.0], goal=3.0)])\n"
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(machine.ROOT))
    each = [
        _benchmark(tmp_path, "works", figure),
        _benchmark(tmp_path, "ends", figure + "raise SystemExit(3)\n"),
        _benchmark(tmp_path, "says_nothing", "print('a line')\n"),
    ]
    monkeypatch.setattr(suite, "SUITE", each)
    assert suite.main(["--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "| works | speed | 2 |  | >= 3 | no |" in shown.out
    assert shown.err.splitlines()[-1].endswith("NAME.log: ends, says_nothing")
    assert "a line" in (tmp_path / "out" / "says_nothing.log").read_text()
    # A goal that is missed is no failure.
    page = tmp_path / "figures.md"
    assert suite.main(["--out", str(tmp_path / "out"), "--only", "works", "--page", str(page)]) == 0
    written = page.read_text()
    assert "| works | speed | 2 |  | >= 3 | no |" in written
    assert "| works | `python -m works` |" in written
    assert f"| Python | {sys.version.split()[0]} |" in written


def test_what_cannot_be_measured_here_is_said_with_the_reason_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "from benchmarks.kit.corpus import ROOT, is_here\n"
        "assert is_here(ROOT)\n"
        "assert not is_here(ROOT, ROOT.parent / 'no such stream')\n"
    )
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(machine.ROOT))
    monkeypatch.setattr(suite, "SUITE", [_benchmark(tmp_path, "peerless", code)])
    page = tmp_path / "figures.md"
    assert suite.main(["--out", str(tmp_path / "out"), "--page", str(page)]) == 0
    row = "| peerless | the whole benchmark | ../no such stream does not exist |"
    assert row in capsys.readouterr().out
    assert row in page.read_text()
    written = json.loads((tmp_path / "out" / "bench.json").read_text())
    reasons = {"the whole benchmark": "../no such stream does not exist"}
    assert written["benchmarks"][0]["not_measured"] == reasons


def test_slow_benchmarks_run_only_when_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    def listed(*arguments: str) -> set[str]:
        suite.main(["--list", *arguments])
        return {line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()[5:]}

    assert listed() == {each.name for each in SUITE if not each.slow}
    assert listed("--full") == {each.name for each in SUITE}


def test_each_benchmark_has_a_name_of_its_own_and_a_module_that_exists() -> None:
    assert len({each.name for each in SUITE}) == len(SUITE)
    for each in SUITE:
        path = machine.ROOT.joinpath(*each.module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), each


def test_the_machine_is_named() -> None:
    assert machine.processor("processor : 0\nmodel name\t: A: B\nmodel name\t: C\n") == "A: B"
    assert machine.processor("") == "unknown"
    assert machine.describe()["Python"] == sys.version.split()[0]
