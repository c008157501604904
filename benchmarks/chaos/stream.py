"""The input of the delivery proof, and what must become of each record: a reference without state."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from dataflow.clock import micros, rfc3339

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: The windows of the proof, in seconds of event time.
LENGTH_S, SLIDE_S, DELAY_S = 600, 300, 60
#: A record comes every so many seconds of event time, on average.
_EVERY_S = 2.0
_BURST_ROWS, _BURST_EVERY = 25, 400
_SHARE_LATE, _SHARE_BAD = 0.03, 0.02
_ID = re.compile(r"r\d{6}")
_SERVICES = ("payments", "orders", "refunds")
_USUAL = (
    "authorisation of {} EUR approved",
    "captured {} USD through Stripe",
    "refund of {} EUR sent",
    "order {} shipped to the warehouse",
    "saga {} continues with step 3",
)
_UNUSUAL = "TLS handshake with gateway {} failed: certificate expired"

Bad = Literal["", "no text", "bad time"]
#: The fields of a record.
FIELDS = ("id", "service", "ts", "text")


@dataclass(frozen=True)
class Record:
    """A record of the input. ``ts_us``: event time in microseconds. ``bad``: why it becomes a dead letter."""

    id: str
    service: str
    ts_us: int
    text: str
    bad: Bad = ""

    @property
    def fields(self) -> dict[str, str | None]:
        """The record as a row of a table or an object of JSON."""
        ts = "yesterday" if self.bad == "bad time" else rfc3339(self.ts_us)
        text = None if self.bad == "no text" else self.text
        return dict(zip(FIELDS, (self.id, self.service, ts, text), strict=True))


@dataclass(frozen=True)
class Expected:
    """What becomes of the records. ``rows``: ``(id, start of the window in microseconds)``."""

    rows: frozenset[tuple[str, int]]
    late: frozenset[str]
    dead: frozenset[str]

    @property
    def records(self) -> int:
        """How many records these are: each of them is scored, late or dead."""
        return len({id for id, _ in self.rows}) + len(self.late) + len(self.dead)


def records(seed: int, count: int) -> list[Record]:
    """``count`` records in the order of their arrival: out of order, some of them very late, some broken."""
    draw, at, arrivals = random.Random(seed), 0.0, []
    for number in range(count):
        at += draw.expovariate(1 / _EVERY_S)
        burst = number % _BURST_EVERY >= _BURST_EVERY - _BURST_ROWS
        text = (_UNUSUAL if burst else draw.choice(_USUAL)).format(draw.randrange(60))
        wait = draw.uniform(0, 2400) if draw.random() < _SHARE_LATE else draw.uniform(0, 20)
        bad: Bad = draw.choice(("no text", "bad time")) if draw.random() < _SHARE_BAD else ""
        ts = micros(START + timedelta(seconds=round(at, 3)))
        arrivals.append((at + wait, Record(f"r{number:06}", draw.choice(_SERVICES), ts, text, bad)))
    return [record for _, record in sorted(arrivals, key=lambda each: each[0])]


def expected(arrived: Sequence[Record]) -> Expected:
    """What must become of the records of one partition, by trying all windows for each record.

    A record is in each of its windows that the watermark has not passed: the largest event time before the
    record, less the delay. A record without such a window is late.
    """
    rows: set[tuple[str, int]] = set()
    late: set[str] = set()
    dead: set[str] = set()
    watermark = float("-inf")
    for record in arrived:
        if record.bad:
            dead.add(record.id)
            continue
        open_ = [start for start in _windows(record.ts_us) if start + LENGTH_S * 10**6 > watermark]
        rows.update((record.id, start) for start in open_)
        if not open_:
            late.add(record.id)
        watermark = max(watermark, record.ts_us - DELAY_S * 10**6)
    return Expected(frozenset(rows), frozenset(late), frozenset(dead))


def _windows(ts_us: int) -> Iterable[int]:
    slide, length = SLIDE_S * 10**6, LENGTH_S * 10**6
    last = ts_us // slide * slide
    return [start for start in range(last - length, last + slide, slide) if start <= ts_us < start + length]


def record_id(row: Mapping[str, Any]) -> str:
    """The record that a dead letter holds."""
    raw = row.get("raw", "")
    found = _ID.search(raw.decode() if isinstance(raw, bytes) else str(raw))
    return found[0] if found else ""
