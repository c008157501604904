"""``python -m docs.generate`` writes the reference of settings and of command lines from the code.

The two pages are committed, so that they can be read on GitHub. A test fails if they are out of date.
"""

from collections.abc import Callable
from pathlib import Path

from docs.extensions.commands_page import commands_page
from docs.extensions.settings_page import settings_page

_REFERENCE = Path(__file__).parent / "reference"

#: Page -> what makes its text.
PAGES: dict[Path, Callable[[], str]] = {
    _REFERENCE / "settings.md": settings_page,
    _REFERENCE / "commands.md": commands_page,
}


def main() -> None:
    """Write each page."""
    for path, text in PAGES.items():
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
