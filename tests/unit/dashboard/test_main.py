"""The command line of the page."""

import stat
from pathlib import Path

import pytest

from dashboard.__main__ import main
from tests.support.page import scored, written


def test_the_help_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("out/demo", "--marks", "--token-file", "--rows", "--compare", "--metrics", "--open"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["s3://bucket/out"], "s3://bucket/out"),
        (["out", "--host", "0.0.0.0"], "--token-file"),
        (["out", "--host", "example.org"], "--token-file"),
        (["out", "--token-file", "/none/token"], "/none/token"),
        (["out", "--rows", "10"], "--rows"),
        (["out", "--marks", "kafka://h:1/t"], "kafka://h:1/t"),
        (["out", "--marks", "marks.txt"], "marks.txt"),
        (["out", "--metrics", "localhost:3030"], "--metrics"),
        (["out", "--compare", "ftp://x"], "ftp://x"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("driftline: ")
    assert said.err.count("\n") == 1
    assert named in said.err


@pytest.mark.parametrize("token", ["", "short", "with spaces in the middle", "beyond-ascii-ü-0123456789"])
def test_a_weak_token_is_refused_and_not_shown(
    tmp_path: Path, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    path.write_text(token)
    path.chmod(stat.S_IRUSR)
    assert main([str(written(tmp_path / "s.jsonl", [scored(1)])), "--token-file", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not token or token not in said
