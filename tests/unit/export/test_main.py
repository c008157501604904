"""The command line: mistakes of the user, and help."""

import argparse
from pathlib import Path

import pytest

from export.__main__ import _parser, main
from export.manage.arguments import COMMANDS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "nosuch"], "neither a known model (all-MiniLM-L6-v2, all-mpnet-base-v2) nor a folder"),
        (["build", "EMPTY"], "not a sentence-transformers folder, it has no modules.json"),
        (["sidecar", "--repository", "EMPTY"], "make it with `python -m export build MODEL`"),
        (["sidecar", "--install", "--venv", "EMPTY/v"], "run this in the root of a checkout"),
    ],
)
def test_a_users_mistake_is_one_line_and_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("EMPTY", str(tmp_path)) for word in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert said.count("\n") == 1


def test_every_argument_of_every_command_has_a_help_text() -> None:
    (commands,) = (each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction))
    assert set(commands.choices) == {"build", "sidecar", *COMMANDS}
    for name, command in commands.choices.items():
        assert [action.dest for action in command._actions if not action.help] == [], name
        assert command.format_help()
