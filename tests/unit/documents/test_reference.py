"""The reference says what the code is: settings, command lines, schemas."""

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.items import schemas
from dataflow.settings import PREFIX, STAGES
from docs.generate import PAGES
from tests.support.paths import ROOT

#: Not the decisions: one of them names settings that do not exist.
DOCUMENTS = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "decisions"),
]
SCHEMAS = (ROOT / "docs" / "reference" / "schemas.md").read_text()
SETTINGS = {
    "PROFILE",
    *(f"{stage}__{name}".upper() for stage, group in STAGES.items() for name in group.model_fields),
}


#: The names of types that Arrow calls otherwise.
KINDS = {pa.float64(): "float64", schemas.TIMESTAMP: "timestamp"}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_what_the_code_says(page: Path) -> None:
    assert page.read_text() == PAGES[page](), "run .venv/bin/python -m docs.generate"


def test_every_setting_has_a_row_with_a_meaning() -> None:
    rows = re.findall(
        rf"(?m)^\| `{PREFIX}(\w+)` \| .+ \| .+ \| (.+) \|$", (ROOT / "docs/reference/settings.md").read_text()
    )
    assert {name for name, _ in rows} == SETTINGS
    assert all(meaning.endswith(".") for _, meaning in rows)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_that_are_mentioned_exist(document: Path) -> None:
    mentioned = set(re.findall(rf"{PREFIX}([A-Z]+__[A-Z_]*[A-Z])\b", document.read_text()))
    assert mentioned <= SETTINGS


def documented(schema: str) -> list[tuple[str, str]]:
    """(field, type) of the table below the heading of a schema."""
    section = SCHEMAS.partition(f"\n## {schema}\n")[2].partition("\n## ")[0]
    fields: list[tuple[str, str]] = []
    for names, types in re.findall(r"(?m)^\| (`.+?`) \| (.+?) \|", section):
        each = re.findall(r"`(\w+)`", names)
        kinds = types.split(", ") if len(types.split(", ")) == len(each) else [types] * len(each)
        fields += zip(each, kinds, strict=True)
    return fields


@pytest.mark.parametrize(
    "name", ["RAW", "EVENT", "DEAD_LETTER", "LATE", "SCORED", "EVIDENCE", "WINDOW_SUMMARY"]
)
def test_a_schema_has_these_fields_and_no_others(name: str) -> None:
    schema: Iterable[pa.Field] = getattr(schemas, name)
    # A late event has the fields of an event but `masked`.
    inherited = len(schemas.EVENT) - 1 if name == "LATE" else 0
    expected = [
        (field.name, f"{KINDS.get(field.type, field.type)}{', may be null' * field.nullable}")
        for field in list(schema)[inherited:]
    ]
    assert documented(name) == expected


@pytest.mark.parametrize(
    ("name", "struct"),
    [("EXPLANATION", schemas.EXPLANATION.type), ("CLUSTERS", schemas.CLUSTERS.type.value_type)],
)
def test_a_field_of_objects_has_these_fields_and_no_others(name: str, struct: pa.StructType) -> None:
    kinds = {**KINDS, pa.list_(pa.string()): "list of string"}
    assert documented(name) == [
        (field.name, f"{kinds.get(field.type, field.type)}{', may be null' * field.nullable}")
        for field in struct
    ]


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    guide = (ROOT / "docs" / "guides" / "sources-and-sinks.md").read_text()
    table = guide.partition("\n## Dead letters\n")[2].partition("\n## ")[0]
    assert re.findall(r"(?m)^\| `(\w+)` \|", table) == list(schemas.REASONS)
