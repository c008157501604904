"""Decodes letters with the present settings: which of them would pass, and why not the others."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import orjson
import pyarrow as pa

from dataflow.clock import rfc3339
from dataflow.decode.batch import check_format, decode_batch
from dataflow.errors import SettingsError
from dataflow.replay.rows import Letter
from dataflow.settings import Settings
from dataflow.source.dead_letters import batch_of
from dataflow.source.dead_letters.selection import Known, Record, Selection


@dataclass(frozen=True)
class Verdict:
    """What the present settings make of a letter.

    ``record``: the record with its event time, if it decodes; ``reason``, ``message``: why it does not.
    """

    letter: Letter
    record: Record | None = None
    reason: str = ""
    message: str = ""


@dataclass
class Report:
    """What would happen to letters.

    ``passing``: how many would be sent. ``failing``, ``flawed``: reason, or flaw, -> an example. ``counts``:
    reason or flaw -> how many. ``known``: what was sent before. ``first``, ``last``: the event times of those
    that would be sent.
    """

    passing: int = 0
    failing: dict[str, str] = field(default_factory=dict)
    flawed: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    known: Known = field(default_factory=Known)
    first: int | None = None
    last: int | None = None

    def leave(self, verdict: Verdict) -> None:
        """Count a letter that does not pass."""
        letter = verdict.letter
        if letter.record is None:
            self._count(self.flawed, letter.flaw, f"{letter.partition} {letter.offset}")
        else:
            self._count(self.failing, verdict.reason, verdict.message)

    def send(self, record: Record) -> None:
        """Count a record that would be sent."""
        self.passing += 1
        self.first = record.ts if self.first is None else min(self.first, record.ts)
        self.last = record.ts if self.last is None else max(self.last, record.ts)

    def _count(self, examples: dict[str, str], why: str, example: str) -> None:
        self.counts[why] += 1
        examples.setdefault(why, example)

    def lines(self) -> list[str]:
        """The report in words."""
        times = ""
        if self.first is not None and self.last is not None:
            times = f", events from {rfc3339(self.first, 's')} to {rfc3339(self.last, 's')}"
        lines = [f"to send: {_records(self.passing)}{times}"]
        for reason, message in sorted(self.failing.items()):
            lines.append(f"would fail again: {_records(self.counts[reason])}, {reason}: {message}")
        for flaw, position in sorted(self.flawed.items()):
            lines.append(f"cannot be sent: {_records(self.counts[flaw])}, as {position}: {flaw}")
        if self.known.sent:
            lines.append(f"sent before: {_records(self.known.sent)}")
        if self.known.refused:
            lines.append(f"sent before and refused: {_records(self.known.refused)}; --again sends them again")
        if self.known.others:
            lines.append(
                f"cannot be told from what was sent: {_records(self.known.others)}; another record was sent "
                "from the same position, so the source was started anew: name another folder with --folder"
            )
        return lines


def _records(number: int) -> str:
    return f"{number} record{'s' * (number != 1)}"


def judge(letters: Sequence[Letter], settings: Settings, now: datetime) -> list[Verdict]:
    """A verdict on each letter, in their order."""
    found: list[Verdict] = []
    for metadata, same in groupby(letters, lambda each: each.record.metadata if each.record else None):
        group = list(same)
        if metadata is None:
            found += map(Verdict, group)
        else:
            found += _judge(group, [each.record for each in group if each.record], settings, now)
    return found


def _judge(
    letters: Sequence[Letter], records: Sequence[Record], settings: Settings, now: datetime
) -> list[Verdict]:
    """Verdicts on letters whose records have the same metadata."""
    metadata = orjson.loads(records[0].metadata)
    try:
        header = metadata.get("header")
        check_format(settings, metadata["format"], None if header is None else header.encode())
    except SettingsError as error:
        return [Verdict(letter, reason="settings", message=str(error)) for letter in letters]
    raw = batch_of(records)
    # The number of the row in place of the offset: rows can be told apart, and no id is used here.
    at = raw.schema.get_field_index("offset")
    numbered = raw.set_column(at, raw.schema.field(at), pa.array(range(len(raw)), pa.int64()))
    decoded = decode_batch(numbered, settings, now=now)
    events, dead = decoded.events, decoded.dead_letters
    times = events.column("ts").cast(pa.int64()).to_pylist()
    of_row = dict(zip(events.column("offset").to_pylist(), times, strict=True))
    why = {row["offset"]: (row["reason"], row["message"]) for row in dead.to_pylist()}
    return [
        Verdict(letter, record._replace(ts=of_row[row]))
        if row in of_row
        else Verdict(letter, None, *why[row])
        for row, (letter, record) in enumerate(zip(letters, records, strict=True))
    ]


def report_on(
    batches: Iterable[Sequence[Letter]],
    settings: Settings,
    now: datetime,
    selection: Selection | None,
    *,
    again: bool,
    add: Callable[[Record], None] = lambda _: None,
) -> Report:
    """What happens to letters if those that pass and were not sent before are sent.

    ``selection``: what was sent; ``None``: nothing was. ``add`` is called with each record to send.
    """
    report = Report()
    for letters in batches:
        for verdict in judge(letters, settings, now):
            record = verdict.record
            if record is None:
                report.leave(verdict)
            elif selection is None or selection.is_new(record, report.known, again=again):
                report.send(record)
                add(record)
    return report
