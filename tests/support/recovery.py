"""Another process that uses a recovery store."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MADE = {"window.length": "600s", "model": "m 1"}
CHECKS: dict[str, Any] = {
    "fixed": ("window.length", "window.gap"), "source_step": "flow.source", "source_parts": ["a.jsonl"]
}  # fmt: skip


def other_flow(folder: Path, *addresses: str, made_with: Mapping[str, str] = MADE) -> "subprocess.Popen[str]":
    """Start a process that uses the store until its standard input closes."""
    checks = {**CHECKS, "source_step": ""}
    code = (
        "import sys; from pathlib import Path; from dataflow.recovery.store import prepare\n"
        f"held = prepare(Path({str(folder)!r}), {made_with!r}, **{checks!r}, addresses={addresses!r})\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process
