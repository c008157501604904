"""More partitions than processes: snapshots go on, and no row is lost.

Bytewax issue 556 tells of a worker whose waiting for the others counts towards its snapshot interval.
"""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bytewax.recovery import init_db_dir

from tests.support.flows import PACED, environment, rows, run

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
FILES, PROCESSES, BATCHES, ROWS_A_BATCH = 4, 3, 40, 10


def test_four_partitions_in_three_processes_are_read_and_written_in_step(tmp_path: Path) -> None:
    for file in range(FILES):
        events = [
            {
                "id": f"{file}-{n}",
                "host": f"h{n % 7}",
                "ts": (START + timedelta(seconds=n)).isoformat(),
                "text": "x",
            }
            for n in range(BATCHES * ROWS_A_BATCH)
        ]
        (tmp_path / f"{file}.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    store = tmp_path / "store"
    store.mkdir()
    init_db_dir(store, 4)
    env = environment(
        tmp_path,
        DRIFTLINE_SOURCE__BATCH_ROWS=str(ROWS_A_BATCH),
        DRIFTLINE_WINDOW__KIND="tumbling",
        PACE="0.1",
    )
    run(env, "-r", str(store), "-s", "1", "-b", "100000", processes=PROCESSES, flow=PACED)
    assert len(rows(tmp_path / "out/scores.jsonl")) == FILES * BATCHES * ROWS_A_BATCH
    epochs = snapshots_of_the_source(store)
    # The paced stream takes at least four seconds, whatever the load of the machine.
    assert len(epochs) >= 3
    # No partition waits while the others are read: all that are not at their end are in each snapshot.
    assert all(count == FILES for _, count in sorted(epochs.items())[:3])


def snapshots_of_the_source(store: Path) -> dict[int, int]:
    """Epoch -> how many partitions of the source are in its snapshot."""
    counts: dict[int, int] = {}
    for path in store.glob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as database:
            query = "SELECT snap_epoch, count(*) FROM snaps WHERE step_id = 'driftline.source' GROUP BY 1"
            for epoch, count in database.execute(query):
                counts[epoch] = counts.get(epoch, 0) + count
    return counts
