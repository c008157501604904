"""The environments of the peers: each has its own, in ``.cache/peers/``, made from its lock files.

Two more are for Driftline's near-lossless precision, so that ``.venv`` and ``.venv-triton`` stay as they are.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
_REQUIREMENTS, _CACHE = ROOT / "requirements", ROOT / ".cache" / "peers"
_LOCKS = _REQUIREMENTS / "peers"
_TORCH, _OPENVINO = _REQUIREMENTS / "torch.txt", _REQUIREMENTS / "openvino.txt"
_WITHOUT_TORCH = frozenset({"flink", "pathway", "quix"})


class MissingError(Exception):
    """A peer cannot run here. The message says what is missing."""


def python_of(peer: str) -> Path:
    """The interpreter of the environment of ``peer``, which is made if it is not there or is out of date.

    Raises ``subprocess.CalledProcessError`` if a package cannot be installed.
    """
    torch = () if peer in _WITHOUT_TORCH else (_TORCH,)
    return _made(peer, _LOCKS / f"{peer}.txt", *torch)


def sidecar() -> Path:
    """An environment like ``.venv-triton`` that has OpenVINO as well, which bf16 needs on a CPU."""
    return _made("sidecar", _REQUIREMENTS / "sidecar.txt", _OPENVINO).parents[1]


def openvino() -> Path:
    """The packages of an environment that has OpenVINO alone. They join those of another environment."""
    [packages] = _made("openvino", _OPENVINO).parents[1].glob("lib/python3*/site-packages")
    return packages


def _made(name: str, *locks: Path) -> Path:
    wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks) + sys.version.encode()).hexdigest()
    folder = _CACHE / name
    made, python = folder / ".made", folder / "bin" / "python"
    if not made.exists() or made.read_text() != wanted:
        print(f"{folder.relative_to(ROOT)}: installing {name} ...", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        for lock in locks:
            # The lock files leave torch out, and have no hashes for it.
            whole = () if lock == _TORCH else ("--no-deps", "--require-hashes")
            _install(python, *whole, "-r", str(lock))
        made.write_text(wanted)
    return python


def versions(peer: str, *packages: str) -> dict[str, str]:
    """The versions of ``packages`` in the environment of ``peer``, by name."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    command = (str(python_of(peer)), "-c", code, *packages)
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return dict(zip(packages, found, strict=True))


def _install(python: Path, *arguments: str) -> None:
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile")
    subprocess.run([*pip, *arguments], check=True, stdout=sys.stderr)


def java() -> str:
    """The version of Java, which Spark and Flink need. Raises :class:`MissingError` if it is missing."""
    if not shutil.which("java"):
        raise MissingError(
            "Spark and Flink need Java 17 or 21; on Debian and Ubuntu: apt install openjdk-17-jre-headless"
        )
    return subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.split('"')[
        1
    ]
