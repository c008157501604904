"""The wheel contains every package, and the files that are no modules of a package."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("dashboard", "dataflow", "export")
#: Triton reads this folder by its path, so no import fails when the wheel lacks a file of it.
BACKENDS = ROOT / "export" / "serve" / "backends"
#: ``page`` holds the sources of the page in TypeScript.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "page", "node_modules", "static")
#: What the build of the page leaves, which a checkout need not have.
BUILT = ("dashboard/static/index.html", "dashboard/static/assets/index-a1b2c3d4.js")
METADATA = ("pyproject.toml", "README.md", "LICENSE")
BUILD = "from setuptools import build_meta; build_meta.build_wheel('wheel')"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of a copy of the checkout: the build writes into the folder that it builds."""
    copy = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=LEFT_OUT)
    for name in METADATA:
        shutil.copy(ROOT / name, copy / name)
    for name in BUILT:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("built")
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = (copy / "wheel").iterdir()
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_the_wheel_has_every_module(wheel: zipfile.ZipFile) -> None:
    sources = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert sources <= set(wheel.namelist())


def test_the_wheel_has_the_files_that_nothing_imports(wheel: zipfile.ZipFile) -> None:
    files = {
        str(path.relative_to(ROOT))
        for path in BACKENDS.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert files
    assert files | {"dataflow/py.typed", *BUILT} <= set(wheel.namelist())


def test_the_wheel_has_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {Path(name).parts[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
