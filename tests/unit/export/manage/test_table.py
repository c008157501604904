"""What a command prints on stdout."""

import json
from typing import Any

import pytest

from export.manage.table import show

ROWS: list[dict[str, Any]] = [
    {"version": 1, "name": "[a]", "wanted": True, "parity": 2.7e-7, "mean_ms": None},
    {"version": 12, "name": None, "wanted": False, "parity": 0.5, "mean_ms": 1234.5678},
]


def test_json_is_the_rows_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, "title", as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS
    show([], "title", as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_a_table_is_short_and_takes_no_text_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, "title", as_json=False)
    title, names, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert title == ["title"]
    assert names == list(ROWS[0])
    assert first == ["1", "[a]", "yes", "2.7e-07"]
    assert second == ["12", "no", "0.5", "1234.57"]
    show([], "title", as_json=False)
    assert "version" in capsys.readouterr().out
