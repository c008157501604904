"""The machine and the versions that a run measures."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import dataflow

ROOT = Path(__file__).parents[2]
_PACKAGES = (
    "bytewax",
    "numpy",
    "onnxruntime",
    "pyarrow",
    "scikit-learn",
    "sentence-transformers",
    "torch",
    "tritonclient",
)


def describe() -> dict[str, str]:
    """What a reader has to know to compare figures, as texts by name."""
    return {
        "Driftline": " ".join((dataflow.__version__, commit())).strip(),
        "processor": processor(Path("/proc/cpuinfo").read_text("utf-8")),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.platform(),
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def commit() -> str:
    """The commit of the working tree, with ``+`` if files differ from it; empty outside a repository."""
    command = ("git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def processor(cpuinfo: str) -> str:
    """The name of the processor in the text of ``/proc/cpuinfo``; ``unknown`` if it has none."""
    names = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, "unknown")
