"""How many threads compute in a flow."""

import subprocess
import sys
from pathlib import Path

from tests.support.flows import environment, rows, write_stream


def test_numpy_multiplies_in_one_thread(tmp_path: Path) -> None:
    write_stream(tmp_path, events=60)
    kind, threads = "tests.support.scorers:threads_of_blas", {"OPENBLAS_NUM_THREADS": "2"}
    env = environment(tmp_path, DRIFTLINE_SCORE__KIND=kind) | threads
    command = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
    subprocess.run(command, env=env, check=True)
    assert {row["score"] for row in rows(tmp_path / "out" / "scores.jsonl")} == {1.0}
