"""Which versions a repository asks its server to serve: ``version_policy`` in both ``config.pbtxt``.

The files are the truth, so that a server that starts anew serves the same. Without such a line Triton serves
the newest version.
"""

import os
import re
from collections.abc import Collection
from pathlib import Path

from dataflow.embed.repository import asked_for
from export.repository.configs import ENCODER, MODEL

_LINE = re.compile(r"^version_policy:? .*\n?", re.MULTILINE)


def read(root: Path) -> list[int] | None:
    """The versions that are asked for, ascending; None: the newest."""
    return asked_for(root, MODEL)


def write(root: Path, versions: Collection[int]) -> None:
    """Ask for ``versions``, at least one."""
    line = f"version_policy: {{ specific {{ versions: {sorted(versions)} }} }}\n"
    for path in files(root):
        text = _LINE.sub("", path.read_text(encoding="utf-8"))
        replace(path, text if text.endswith("\n") else text + "\n", line)


def kept(path: Path, text: str) -> str:
    """``text``, a new content of the config ``path``, with the policy that stands there now."""
    line = _LINE.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    return _LINE.sub("", text) + (line[0] if line else "")


def files(root: Path) -> tuple[Path, Path]:
    """Both configs, the encoder's first."""
    return root / ENCODER / "config.pbtxt", root / MODEL / "config.pbtxt"


def replace(path: Path, *parts: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text("".join(parts), encoding="utf-8")
    os.replace(new, path)
