"""A log that is rotated as logrotate does it, and what a reader of all of it must see."""

import gzip
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tests.support.sources import Records

Rotation = Literal["rename", "truncate"]


class RotatedLog:
    """The log ``path`` with its rotated files beside it.

    ``generations``: what was written between two rotations, the oldest first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generations = [b""]

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        self.generations[-1] += data

    def rename(self, compress: bool = False) -> None:
        """Rotate by a rename. The next write makes a new file."""
        deque(self.rotate("rename", compress), maxlen=0)

    def copy_and_truncate(self, compress: bool = False) -> None:
        deque(self.rotate("truncate", compress), maxlen=0)

    def rotate(self, kind: Rotation, compress: bool) -> Iterator[None]:
        """Rotate the log, and yield before each change of a file. ``compress``: the file before the last."""
        if not self.path.exists() or not self.generations[-1]:
            return
        for age, path in sorted(self._rotated(), reverse=True):
            yield
            path.rename(self._old(age + 1, path.suffix if path.suffix == ".gz" else ""))
        if compress and self._old(2).exists():
            yield
            with gzip.open(self._old(2, ".gz"), "wb") as packed:
                packed.write(self._old(2).read_bytes())
            yield
            self._old(2).unlink()
        yield
        if kind == "rename":
            self.path.rename(self._old(1))
        else:
            shutil.copyfile(self.path, self._old(1))
            yield
            with self.path.open("ab") as file:
                file.truncate(0)
        self.generations.append(b"")

    def _old(self, age: int, suffix: str = "") -> Path:
        return self.path.with_name(f"{self.path.name}.{age}{suffix}")

    def _rotated(self) -> set[tuple[int, Path]]:
        """The age of each rotated file."""
        first = f"{self.path.name}."
        return {
            (int(path.name.removeprefix(first).removesuffix(".gz")), path)
            for path in self.path.parent.glob(f"{first}*")
        }

    def expected(self, ended: bool = False) -> Records:
        """The records with their offsets. ``ended``: the last line of the newest file is complete, too."""
        found: list[tuple[int, bytes]] = []
        base = 0
        filled = [data for data in self.generations if data]
        for number, data in enumerate(filled):
            lines = data.split(b"\n")
            if number == len(filled) - 1 and not ended:
                lines = lines[:-1]
            at = base
            for line in lines:
                if line:
                    found.append((at, line))
                at += len(line) + 1
            base += len(data)
        return found
