"""The environments of the peers: each has its own, in ``.cache/peers/``, made from its lock file."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LOCKS, _CACHE = ROOT / "requirements" / "peers", ROOT / ".cache" / "peers"
_TORCH = ROOT / "requirements" / "torch.txt"
_WITHOUT_TORCH = frozenset({"flink", "pathway", "quix"})


class MissingError(Exception):
    """A peer cannot run here. The message says what is missing."""


def python_of(peer: str) -> Path:
    """The interpreter of the environment of ``peer``, which is made if it is not there or is out of date.

    Raises ``subprocess.CalledProcessError`` if a package cannot be installed.
    """
    lock = _LOCKS / f"{peer}.txt"
    wanted = hashlib.sha256(lock.read_bytes() + _TORCH.read_bytes() + sys.version.encode()).hexdigest()
    folder = _CACHE / peer
    made, python = folder / ".made", folder / "bin" / "python"
    if not made.exists() or made.read_text() != wanted:
        print(f"{folder.relative_to(ROOT)}: installing {peer} ...", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        _install(python, "--no-deps", "--require-hashes", "-r", str(lock))
        if peer not in _WITHOUT_TORCH:
            _install(python, "-r", str(_TORCH))
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
