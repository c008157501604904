"""Tables and docstrings as Markdown."""

import re
from collections.abc import Iterable
from datetime import timedelta


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    return "".join(map(row, (head, ("---",) * len(head), *rows)))


def row(cells: tuple[str, ...]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def markdown(docstring: str) -> str:
    """A docstring in one line of Markdown."""
    text = re.sub(r"``(.+?)``", r"`\1`", " ".join(docstring.split()))
    return re.sub(r"docs/(\w+)/(\w+)\.md", lambda link: f"[{link[2]}](../{link[1]}/{link[2]}.md)", text)


def sentence(text: str) -> str:
    """``text`` in Markdown, with a full stop."""
    text = markdown(text)
    return text if text.endswith(".") else f"{text}."


def duration(value: timedelta) -> str:
    """As :func:`dataflow.settings.duration` reads it."""
    for unit, seconds in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        number, rest = divmod(value.total_seconds(), seconds)
        if number and not rest:
            return f"{number:.0f}{unit}"
    return "0s"
