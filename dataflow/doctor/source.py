"""Is the source there, do its records decode with the settings, and does the clock agree with them?"""

import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from dataflow import settings as config
from dataflow import source
from dataflow.decode.batch import check_format, decode_batch
from dataflow.doctor import Case, Finding, found
from dataflow.endpoints.uri import parse_uri
from dataflow.settings import Settings

_ROWS, _PARTITIONS = 100, 3
_PATIENCE_S = 5.0
#: Clocks of machines that keep time differ by less.
_SKEW = timedelta(seconds=5)


class _Sample(NamedTuple):
    """Of some partitions up to ``_ROWS`` records: the first, and of a topic also the last."""

    raw: list[pa.RecordBatch]
    events: int
    #: ``reason`` and, where it is about one, the field -> how many records.
    problems: Counter[str]
    newest: datetime | None


def look(case: Case) -> list[Finding]:
    """Check the source, and the clock against its records."""
    samples: list[_Sample] = []
    source = found("source", lambda: _source(case, samples))
    return [source, _clock(case, samples)]


def _source(case: Case, samples: list[_Sample]) -> Finding:
    where = parse_uri(case.settings.source.uri)
    if where.scheme == "kafka":  # to be read like a file; where the flow will begin does not matter here
        where = replace(where, options={**where.options, "start": "earliest", "tail": "false"})
    few = case.settings.source.model_copy(update={"batch_rows": _ROWS, "uri": where.text})
    settings = case.settings.model_copy(update={"source": few})
    check = partial(check_format, settings)
    opened: Any = source.open_uri(settings, where, clock=lambda: case.now, check_format=check)
    parts = opened.list_parts()
    there = f"{len(parts)} partition{'s' * (len(parts) != 1)} in {where}"
    if where.scheme not in ("file", "kafka"):
        return Finding("source", "ok", f"{there}; what cannot be read twice is not tried here")
    sample = _read(opened, parts[:_PARTITIONS], settings, case.now)
    samples.append(sample)
    dead = sum(sample.problems.values())
    if not dead + sample.events:
        return Finding("source", "ok", f"{there}; no record is there yet to try the settings on")
    problems = ", ".join(f"{n} {problem}" for problem, n in sample.problems.most_common())
    if not sample.events:
        return Finding(
            "source",
            "wrong",
            f"{there}; none of {dead} records tried is an event ({problems}); "
            "set DRIFTLINE_SOURCE__TS_FIELD, __TS_FORMAT, __TEXT_FIELD as the records have them",
        )
    tried = f"{there}; {sample.events} of {dead + sample.events} records tried are events"
    if dead:
        return Finding("source", "warning", f"{tried}, the others dead letters ({problems})")
    return Finding("source", "ok", tried)


def _read(source: Any, parts: list[str], settings: Settings, now: datetime) -> _Sample:
    raw = [batch for part in parts for state in _places(source, part) for batch in _some(source, part, state)]
    fields, events, newest = _fields(settings.source), 0, []
    problems: Counter[str] = Counter()
    for batch in raw:
        decoded = decode_batch(batch, settings, now=now)
        events += len(decoded.events)
        if len(decoded.events):
            newest.append(pc.max(decoded.events.column("ts")).as_py())
        letters = decoded.dead_letters
        for reason, message in zip(
            *(letters.column(n).to_pylist() for n in ("reason", "message")), strict=True
        ):
            field = message.partition(":")[0]  # of the message no more, as it quotes the value
            problems[f"{reason} of {field!r}" if field in fields else reason] += 1
    return _Sample(raw, events, problems, max(newest, default=None))


def _fields(source: config.Source) -> set[str]:
    return {name for name in (source.id_field, source.key_field, source.ts_field, source.text_field) if name}


def _places(source: Any, part: str) -> list[int | None]:
    """Where to read. Of a topic both ends: that all that came last is bad does not make the settings so."""
    if not hasattr(source, "ends"):
        return [None]
    low, high = source.ends(part)
    return [first for first in (low, max(low + _ROWS, high - _ROWS)) if first < high]


def _some(source: Any, part: str, state: int | None) -> list[pa.RecordBatch]:
    partition = source.build_part("doctor", part, state)
    try:
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            if batches := partition.next_batch():
                return list(batches)
            time.sleep(0.05)
    except StopIteration:
        pass
    finally:
        partition.close()
    return []


def _clock(case: Case, samples: list[_Sample]) -> Finding:
    now, says = case.now, f"the clock says {case.now:%Y-%m-%dT%H:%M:%SZ}"
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, now.tzinfo)
    if now < installed:
        return Finding("clock", "wrong", f"{says}, before this program was installed; set it (NTP)")
    source, guard = case.settings.source, case.settings.window.max_future
    for sample in samples:
        if ahead := sum(n for problem, n in sample.problems.items() if problem.startswith("future")):
            return Finding(
                "clock",
                "warning",
                f"{says}, and {ahead} records are stamped more than window.max_future={guard} "
                "ahead of it: dead letters; correct this clock, the sender's, or source.ts_format, ts_zone",
            )
        stamps = [pc.max(batch.column("message_ts")).as_py() for batch in sample.raw]
        stamped = max((stamp for stamp in stamps if stamp), default=now)
        if stamped > now + _SKEW:
            return Finding(
                "clock",
                "warning",
                f"{says}, {stamped - now} behind the stamp of a message that Kafka has already; "
                "one of the machines needs its clock set (NTP)",
            )
        if sample.newest:
            says += f", the newest event tried {sample.newest:%Y-%m-%dT%H:%M:%SZ}"
    zone = (
        "" if source.ts_format.startswith("epoch") else f"; times without a zone are read as {source.ts_zone}"
    )
    return Finding("clock", "ok", says + zone)
