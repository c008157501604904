"""``python -m tests.support.paced_replay``: the command line of replays, slowed down.

``PACE`` is the number of seconds between two batches of a partition. Each batch has a snapshot.
"""

import os
import sys
from datetime import timedelta
from typing import Any

from dataflow.replay import sending
from dataflow.replay.__main__ import main
from dataflow.source import dead_letters
from tests.support.paced import PacedSource

_open = dead_letters.open_source


def _open_paced(*arguments: Any) -> PacedSource:
    return PacedSource(_open(*arguments), timedelta(seconds=float(os.environ["PACE"])))


if __name__ == "__main__":
    dead_letters.open_source = _open_paced  # type: ignore[assignment]
    sending.SNAPSHOT_INTERVAL = timedelta(0)
    sys.exit(main())
