"""What makes the site strict: all pages are in the menu, names are documented, nothing is loaded."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest

from docs.extensions.contents import CONTENTS
from docs.extensions.offline import loads
from docs.extensions.public_names import protocols, undocumented
from tests.support.paths import ROOT

SOURCE = '''
from dataclasses import dataclass
from typing import Protocol, TypeVar
import os

T = TypeVar("T")
Alias = dict[str, int]
#: Documented.
LIMIT = 1
BARE, _PRIVATE = 2, 3


class Contract(Protocol):
    """Documented."""

    def read(self) -> None:
        """Documented."""

    def close(self) -> None:
        """Documented."""


class Whole:
    """Has all methods of the contract, and one more."""

    def read(self) -> None: ...
    def close(self) -> None: ...
    def more(self) -> None: ...


class Half:
    """Has one method of the contract."""

    def read(self) -> None: ...


class Child(Half):
    """Inherits a method without documentation."""

    def read(self) -> None: ...
    @property
    def size(self) -> int: ...


@dataclass
class Record:
    value: int


def function(): ...
def _private(): ...
'''


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "example_of_names.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("example_of_names")
    del sys.modules["example_of_names"]


def test_each_public_name_without_documentation_is_found(example: ModuleType) -> None:
    found = [name.removeprefix("example_of_names") for name in undocumented(example, protocols([example]))]
    assert found == [
        "",
        ".BARE",
        ".Whole.more",
        ".Half.read",
        ".Child.read",
        ".Child.size",
        ".Record",
        ".function",
    ]


def test_a_protocol_of_another_module_documents_methods_only_where_it_is_given(example: ModuleType) -> None:
    class Reads(Protocol):
        def read(self) -> None:
            """Read."""

    found = set(undocumented(example, [Reads]))
    assert "example_of_names.Half.read" not in found
    assert "example_of_names.Whole.close" in found


def test_every_document_is_in_the_menu() -> None:
    listed = {page for menus in CONTENTS.values() for _, pages in menus for page in pages}
    docs = ROOT / "docs"
    for path in docs.rglob("*.md"):
        name = str(path.relative_to(docs).with_suffix(""))
        assert name == "index" or any(Path(name).match(pattern) for pattern in listed), name
    for page in listed:
        assert page == "reference/api/*" or list(docs.glob(f"{page}.md")), page


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.html", '<a href="https://example.org">a link to follow</a><script src="/x.js"></script>', False),
        ("a.html", '<script async src="https://example.org/x.js"></script>', True),
        ("a.html", '<link rel="stylesheet" href="//example.org/x.css">', True),
        ("a.html", "<img src='http://example.org/x.png'>", True),
        ("a.css", "a { background: url(data:image/svg+xml;x='http://www.w3.org/2000/svg') }", False),
        ("a.css", "a { src: url('https://example.org/font.woff2') }", True),
        ("a.css", '@import "https://example.org/x.css";', True),
        ("a.js", 'const license = "https://example.org"', False),
        ("a.js", 'fetch("https://example.org/x.json")', True),
    ],
)
def test_what_a_page_would_load_is_found(tmp_path: Path, name: str, text: str, found: bool) -> None:
    (tmp_path / name).write_text(text)
    assert [path.name for path, _ in loads(tmp_path)] == [name] * found
