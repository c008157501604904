"""Nothing is late because of how the partitions, batches, keys and workers fell: only the data decides."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support.flows import environment, rows, run, scored

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOURS, FILES, EVENTS = 4, 4, 3600
LENGTH = 600
#: The keys that are in all files, and the key that is in one file only.
SHARED, OWN = ("a", "b", "all"), "own{}"


def write_files(folder: Path) -> dict[tuple[str, str, str], int]:
    """Write ordered files of the same hours. Returns the rows to expect in tumbling windows."""
    expected = {}
    for file in range(FILES):
        lines = []
        for number in range(EVENTS):
            second = number * HOURS * 3600 // EVENTS
            key = (*SHARED, OWN.format(file))[number % 4]
            at = START + timedelta(seconds=second)
            lines.append({"id": f"e{file}-{number}", "host": key, "ts": at.isoformat(), "text": "x"})
            start = START + timedelta(seconds=second // LENGTH * LENGTH)
            expected[key, start.isoformat(), f"e{file}-{number}"] = 1
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return expected


@pytest.mark.parametrize("batch_rows", ["100", "1024"])
@pytest.mark.parametrize(
    ("flags", "processes"),
    [((), 1), (("-w", "2"), 1), ((), 2)],
    ids=["1 worker", "2 threads", "2 processes"],
)
def test_nothing_of_ordered_files_is_late(
    tmp_path: Path, flags: tuple[str, ...], processes: int, batch_rows: str
) -> None:
    expected = write_files(tmp_path)
    env = environment(
        tmp_path,
        DRIFTLINE_SOURCE__BATCH_ROWS=batch_rows,
        DRIFTLINE_WINDOW__DELAY="5m",
        DRIFTLINE_WINDOW__KIND="tumbling",
        DRIFTLINE_WINDOW__LENGTH=f"{LENGTH}s",
    )
    run(env, *flags, processes=processes)
    assert len(rows(tmp_path / "out/late.jsonl")) == 0
    assert scored(tmp_path / "out/scores.jsonl") == expected
