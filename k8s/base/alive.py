"""``python alive.py SECONDS``: the liveness probe. Exit code 1 if the dataflow has stood still for longer.

Bytewax polls a source only when the previous epoch has passed through the whole dataflow, in all processes.
So when any step hangs, the number of polls stops growing. Each call compares the number with that of the
previous call. A process that reads no partition of the source is alive as long as it answers.
"""

import sys
import time
import urllib.request
from pathlib import Path

METRICS = "http://127.0.0.1:3030/metrics"
POLLS = "bytewax_inp_part_next_batch_duration_seconds_count"
SEEN = Path("/tmp/alive")


def stalled_seconds(url: str, seen: Path) -> float:
    """Seconds since the number of polls last changed, as seen by calls with the same file ``seen``."""
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
        print(f"the metrics endpoint does not answer: {error}")
        return 1
    print(f"the dataflow has stood still for {stalled:.0f} s")
    return int(stalled > longest_seconds)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
