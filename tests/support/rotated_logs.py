"""A log that is rotated as logrotate does it, and what a reader of all of it must see."""

import gzip
import shutil
from pathlib import Path

from tests.support.sources import Records


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
        if self._shift(compress):
            self.path.rename(self._old(1))

    def copy_and_truncate(self, compress: bool = False) -> None:
        if self._shift(compress):
            shutil.copyfile(self.path, self._old(1))
            with self.path.open("ab") as file:
                file.truncate(0)

    def _old(self, age: int, suffix: str = "") -> Path:
        return self.path.with_name(f"{self.path.name}.{age}{suffix}")

    def _shift(self, compress: bool) -> bool:
        if not self.path.exists() or not self.generations[-1]:
            return False
        ages = {
            (int(path.name.removeprefix(f"{self.path.name}.").removesuffix(".gz")), path)
            for path in self.path.parent.glob(f"{self.path.name}.*")
        }
        for age, path in sorted(ages, reverse=True):
            suffix = ".gz" if path.suffix == ".gz" else ""
            path.rename(self._old(age + 1, suffix))
        if compress and self._old(2).exists():
            with gzip.open(self._old(2, ".gz"), "wb") as packed:
                packed.write(self._old(2).read_bytes())
            self._old(2).unlink()
        self.generations.append(b"")
        return True

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
