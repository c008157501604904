"""``python alive.py SECONDS``: exit code 0 unless the dataflow's epoch has stood still for longer.

Bytewax polls a source only when the epoch before has passed through the whole dataflow, in all processes.
So when anything hangs, the count of polls does. It is compared with what the probe before saw. A process
that has no part of the source yet, or never, is alive when it answers.
"""

import sys
import time
import urllib.request
from pathlib import Path

METRICS = "http://127.0.0.1:3030/metrics"
POLLS = "bytewax_inp_part_next_batch_duration_seconds_count"
SEEN = Path("/tmp/alive")


def stalled_seconds(url: str, seen: Path) -> float:
    """How long the counts have been as they are, as far as calls with the same ``seen`` tell."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    polls = "\n".join(line for line in lines if line.startswith(POLLS))
    if not polls or not seen.exists() or seen.read_text() != polls:
        seen.write_text(polls)
        return 0.0
    return time.time() - seen.stat().st_mtime


def main(longest_seconds: float, url: str = METRICS, seen: Path = SEEN) -> int:
    try:
        stalled = stalled_seconds(url, seen)
    except OSError as error:
        print(f"no answer: {error}")
        return 1
    print(f"no epoch for {stalled:.0f} s")
    return int(stalled > longest_seconds)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
