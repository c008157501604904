"""``python -m benchmarks.masking [PATTERN ...]``: what does masking save, and what does it cost?

It saves embeddings: a text that comes again is taken from the cache. It costs time in the decode stage.
"""

import argparse
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import Figure, ratio, report
from benchmarks.kit.measure import medians, race, table
from dataflow.decode.batch import decode_batch
from dataflow.decode.masking import PATTERNS, patterns_of
from dataflow.errors import SettingsError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings, Source

FILES = ("openssh.jsonl", "bgl.jsonl")
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
HEADS = ("log", "masked", "events", "distinct texts", "cache hits", "events/s", "µs an event", "to unmasked")


class Case(NamedTuple):
    """A log of ``events`` events in ``batches`` of ``raw_schema``, decoded with ``settings``."""

    log: str
    batches: Sequence[pa.RecordBatch]
    settings: Settings

    @property
    def events(self) -> int:
        return sum(map(len, self.batches))

    def decode(self) -> list[pa.RecordBatch]:
        return [decode_batch(batch, self.settings, now=NOW).events for batch in self.batches]


def batches_of(path: Path) -> list[pa.RecordBatch]:
    """The records of a file, in batches of the default size."""
    records, size = path.read_bytes().splitlines(), Source().batch_rows
    return [_batch(records[first : first + size], first) for first in range(0, len(records), size)]


def _batch(records: Sequence[bytes], first: int) -> pa.RecordBatch:
    rows = [
        {"raw": record, "partition": "p", "offset": first + row, "arrival": NOW}
        for row, record in enumerate(records)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=raw_schema("jsonl"))


def distinct(events: Sequence[pa.RecordBatch]) -> int:
    """How many different texts are embedded."""
    texts = [pc.coalesce(batch.column("masked"), batch.column("text")) for batch in events]
    count: int = pc.count_distinct(pa.chunked_array(texts)).as_py()
    return count


def measure(path: Path, patterns: Sequence[str], runs: int) -> tuple[list[tuple[str, ...]], list[Figure]]:
    """Two rows of the table: the log without masking, and with masking. The time is that of the CPU. And the
    figures of both.
    """
    batches = batches_of(path)
    cases = {
        shown: Case(path.stem, batches, Settings(source=Source(id_field="id", key_field="key", mask=mask)))
        for shown, mask in (("no", ()), ("yes", tuple(patterns)))
    }
    raced = race(runs, {shown: case.decode for shown, case in cases.items()}, warm_up=True)
    took = medians(raced)
    hits = {shown: 1 - distinct(case.decode()) / case.events for shown, case in cases.items()}
    times = {shown: [each.cpu for each in runs] for shown, runs in raced.items()}
    figures = [
        Figure(f"texts that the cache has, {path.stem}, masked: {shown}", share, share, share)
        for shown, share in hits.items()
    ]
    figures.append(ratio(f"time to decode with masking / without, {path.stem}", times["yes"], times["no"]))
    return [_row(shown, case, took[shown].cpu, took["no"].cpu) for shown, case in cases.items()], figures


def _row(shown: str, case: Case, seconds: float, unmasked_seconds: float) -> tuple[str, ...]:
    texts = distinct(case.decode())
    return (
        case.log,
        shown,
        f"{case.events:,}",
        f"{texts:,}",
        f"{1 - texts / case.events:.1%}",
        f"{case.events / seconds:,.0f}",
        f"{seconds / case.events * 1e6:.1f}",
        f"{unmasked_seconds / seconds:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.masking")
    parser.add_argument(
        "patterns",
        nargs="*",
        metavar="PATTERN",
        help=f"{', '.join(PATTERNS)}, NAME=REGEX; default: all names",
    )
    parser.add_argument("--runs", type=int, default=15, help="runs of each case; default: %(default)s")
    arguments = parser.parse_args()
    patterns = arguments.patterns or list(PATTERNS)
    try:
        patterns_of(tuple(patterns))
    except SettingsError as error:
        parser.error(str(error))
    rows: list[tuple[str, ...]] = []
    figures: list[Figure] = []
    for path in (SHARED / name for name in FILES):
        if is_here(path, what=path.stem):
            some, of_log = measure(path, patterns, arguments.runs)
            rows += some
            figures += of_log
    if rows:
        table(f"Masking of {' '.join(patterns)}", HEADS, rows)
        report(figures)


if __name__ == "__main__":
    main()
