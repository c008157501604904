"""No figure of a benchmark stands in the README that the suite does not print."""

import re
from pathlib import Path

import pytest

from benchmarks.suite import SUITE
from tests.support.paths import ROOT

FIGURES = ROOT / "docs" / "explanation" / "figures.md"
README = ROOT / "README.md"
#: They need a server of the user's, or a GPU.
BY_HAND = {"benchmarks.gpu", "benchmarks.throughput"}


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables."""
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in re.findall(r"(?m)^\|.*$", text)
    ]


def test_the_figures_of_the_readme_are_those_of_the_suite() -> None:
    section = README.read_text("utf-8").split("\n## Beside the peers\n")[1].split("\n## ")[0]
    printed = {row[1]: row[2] for row in rows(FIGURES.read_text("utf-8")) if len(row) > 2}
    found = rows(section)[2:]
    assert len(found) >= 5
    for name, value in found:
        assert printed[name] == value


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_the_benchmarks_that_documents_name_are_in_the_suite(path: Path) -> None:
    named = set(re.findall(r"python -m (benchmarks\.[a-z_.]+)", path.read_text("utf-8")))
    assert named - BY_HAND <= {each.module for each in SUITE}
