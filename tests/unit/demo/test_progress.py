"""Progress prints plain lines where there is no terminal."""

import pytest

from demo.progress import Progress


def test_without_a_terminal_only_the_last_line_is_printed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(7, "things") as progress:
        progress.show(1)
        progress.show(2, last=True)
    assert capsys.readouterr().out == "     2 of 7 things, 0 s\n"
