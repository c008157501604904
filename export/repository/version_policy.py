"""Which versions a repository asks its server to serve: the ``version_policy`` line of both ``config.pbtxt``.

A restarted server reads the same files, and so serves the same versions. Without that line Triton serves the
newest version. :func:`dataflow.embed.repository.versions_asked_for` reads the line.
"""

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from dataflow.embed.repository import Layout

_LINE = re.compile(r"^version_policy:? .*\n?", re.MULTILINE)


def ask_for(root: Path, versions: Collection[int]) -> None:
    """Ask the server for ``versions``, at least one."""
    line = f"version_policy: {{ specific {{ versions: {sorted(versions)} }} }}\n"
    for path in config_files(root):
        text = _LINE.sub("", path.read_text(encoding="utf-8"))
        write_whole(path, (text if text.endswith("\n") else text + "\n") + line)


def with_policy_of(path: Path, text: str) -> str:
    """``text``, a new content of the config ``path``, with the policy that the file has now."""
    line = _LINE.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    return _LINE.sub("", text) + (line[0] if line else "")


def config_files(root: Path) -> tuple[Path, Path]:
    """Both configs, the encoder's first."""
    return Layout(root).encoder_config, Layout(root).config


def saved(root: Path) -> Callable[[], None]:
    """Read the text of both configs, and return a function that writes both texts back."""
    texts = {path: path.read_text(encoding="utf-8") for path in config_files(root) if path.is_file()}

    def restore() -> None:
        for path, text in texts.items():
            write_whole(path, text)

    return restore


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)
