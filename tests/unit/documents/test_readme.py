"""What README.md says of the settings and of the code is so."""

import re
from pathlib import Path

import pytest

from dataflow.score.scorers import SCORERS
from dataflow.settings import PREFIX, Settings
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = {
    f"{stage}__{name}".upper()
    for stage, group in Settings.model_fields.items()
    for name in getattr(group.annotation, "model_fields", {})
}


def test_every_setting_is_in_the_table_and_no_other() -> None:
    told = set()
    for row in re.findall(r"^\| (`[A-Z_ `]+`) \|", README, re.MULTILINE):
        names = re.findall(r"`([A-Z_]+)`", row)
        stage = names[0].split("__")[0]
        told |= {f"{stage}{name}" if name.startswith("__") else name for name in names}
    assert told == SETTINGS


def test_every_scorer_is_named() -> None:
    assert all(f"`{name}`" in README for name in SCORERS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_that_are_mentioned_exist(document: Path) -> None:
    mentioned = set(re.findall(rf"{PREFIX}([A-Z]+__[A-Z_]*[A-Z])\b", document.read_text()))
    assert mentioned <= SETTINGS
