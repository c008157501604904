"""Every file that pip installs is one that was there when the lock was made; torch alone may differ."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "docker" / "triton.txt"]


def requirements(lock: Path) -> list[str]:
    """Each with its hashes, on one line."""
    text = re.sub(r"(?m)^\s*#.*\n", "", lock.read_text()).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_but_torch_has_a_version_and_hashes(lock: Path) -> None:
    listed = requirements(lock)
    assert listed
    if lock.name == "torch.txt":
        assert len(listed) == 1
        assert re.fullmatch(r"torch==[\d.]+", listed[0])
        return
    for each in listed:
        assert re.fullmatch(r"[\w.-]+==\S+( ;[^;]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", each), each
        if lock.name != "sidecar-gpu.txt":  # no other environment needs the libraries of CUDA
            assert not re.match(r"(torch|triton|(nvidia|cuda)-(?!pytriton)[\w-]+)==", each)


def test_whatever_installs_a_lock_asks_for_its_hashes() -> None:
    for path in (ROOT / "Makefile", *sorted((ROOT / "docker").glob("*.Dockerfile"))):
        for line in re.findall(r"(?m)^.*(?:\$\(PIP\)|pip install).* -r .*$", path.read_text()):
            assert "--no-deps --require-hashes" in line or line.endswith("-r requirements/torch.txt"), line
