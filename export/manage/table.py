"""Prints the result of a command on stdout: as a table, or as JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

#: Columns when stdout is not a terminal.
_WIDTH = 200


def show(rows: Sequence[dict[str, Any]], title: str, *, as_json: bool) -> None:
    """Print ``rows``, which all have the same names, as a table or as a JSON list."""
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    names = list(rows[0]) if rows else ["version"]
    for name in names:
        numeric = any(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in names))
    width = None if sys.stdout.isatty() else _WIDTH
    Console(highlight=False, width=width, markup=False).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.6g}"
    return "" if value is None else str(value)
