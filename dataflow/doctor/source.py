"""Checks whether the source is there, its records decode, and the clock agrees with them."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataflow import source
from dataflow.decode.batch import check_format, decode_batch
from dataflow.doctor import Case, Finding, failed
from dataflow.doctor.profile import Masking, suggestions, try_masking
from dataflow.endpoints.uri import parse_uri
from dataflow.settings import Settings, Source

_ROWS, _PARTITIONS = 100, 3
_PATIENCE_S = 5.0
_POLL_S = 0.05
#: The clocks of machines with NTP differ by less.
_SKEW = timedelta(seconds=5)
#: The schemes whose records can be read twice.
_READABLE = ("file", "tail", "kafka", "delta", "dead_letters")


@dataclass(frozen=True)
class Sample:
    """Some records of the source, decoded."""

    #: The number of records that are events.
    events: int
    #: The reason of each dead letter, with the field at fault where there is one -> the number of records.
    problems: Counter[str]
    #: The newest event time; ``None``: no record is an event.
    newest: datetime | None
    #: The newest timestamp of a Kafka message; ``None``: no record has one.
    stamped: datetime | None
    #: What masking does to the texts of the events.
    masking: Masking

    @property
    def dead_letters(self) -> int:
        """The number of records that are not events."""
        return self.problems.total()


def findings(case: Case) -> list[Finding]:
    """What the doctor finds about the source, its texts, and the clock of this machine."""
    try:
        partitions, sample = _read(case)
    except Exception as error:
        return [failed("source", error), clock_finding(case, None)]
    suggested = suggestions(case.settings, sample.masking) if sample else []
    return [source_finding(partitions, sample), *suggested, clock_finding(case, sample)]


def source_finding(partitions: str, sample: Sample | None) -> Finding:
    """The finding about a source with ``partitions``, a phrase. ``sample``: ``None`` if reading it would lose
    it.
    """
    if sample is None:
        return Finding("source", "ok", f"{partitions}; what cannot be read twice is not tried here")
    total = sample.dead_letters + sample.events
    if not total:
        return Finding("source", "ok", f"{partitions}; no record is there yet to try the settings on")
    problems = ", ".join(f"{n} {problem}" for problem, n in sample.problems.most_common())
    if not sample.events:
        return Finding(
            "source",
            "wrong",
            f"{partitions}; none of {total} records tried is an event ({problems}); "
            "set DRIFTLINE_SOURCE__TS_FIELD, __TS_FORMAT, __TEXT_FIELD as the records have them",
        )
    tried = f"{partitions}; {sample.events} of {total} records tried are events"
    if sample.dead_letters:
        return Finding("source", "warning", f"{tried}, the others dead letters ({problems})")
    return Finding("source", "ok", tried)


def clock_finding(case: Case, sample: Sample | None) -> Finding:
    """The finding about the clock: is it later than the program, and than the records of ``sample``?"""
    now, clock = case.now, f"the clock says {case.now:%Y-%m-%dT%H:%M:%SZ}"
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, now.tzinfo)
    if now < installed:
        return Finding("clock", "wrong", f"{clock}, before this program was installed; set it (NTP)")
    options, max_future = case.settings.source, case.settings.window.max_future
    problems = sample.problems if sample else {}
    if ahead := sum(n for problem, n in problems.items() if problem.startswith("future")):
        return Finding(
            "clock",
            "warning",
            f"{clock}, and {ahead} records are stamped more than window.max_future={max_future} "
            "ahead of it: dead letters; correct this clock, the sender's, or source.ts_format, ts_zone",
        )
    if sample and sample.stamped and sample.stamped > now + _SKEW:
        return Finding(
            "clock",
            "warning",
            f"{clock}, {sample.stamped - now} behind the stamp of a message that Kafka has already; "
            "one of the machines needs its clock set (NTP)",
        )
    newest = (
        f", the newest event tried {sample.newest:%Y-%m-%dT%H:%M:%SZ}" if sample and sample.newest else ""
    )
    epoch = options.ts_format.startswith("epoch")
    zone = "" if epoch else f"; times without a zone are read as {options.ts_zone}"
    return Finding("clock", "ok", clock + newest + zone)


def _read(case: Case) -> tuple[str, Sample | None]:
    """The partitions of the source as a phrase, and a sample of its records if they can be read twice."""
    uri = parse_uri(case.settings.source.uri)
    if uri.scheme in ("kafka", "delta"):  # read from the start to the end, wherever the flow will begin
        uri = replace(uri, options={**uri.options, "start": "earliest", "tail": "false"})
    few = case.settings.source.model_copy(update={"batch_rows": _ROWS})
    settings = case.settings.model_copy(update={"source": few})
    check = partial(check_format, settings)
    opened: Any = source.open_uri(settings, uri, clock=lambda: case.now, check_format=check)
    names = opened.list_parts()
    partitions = f"{len(names)} partition{'s' * (len(names) != 1)} in {uri}"
    if uri.scheme not in _READABLE:
        return partitions, None
    raw = [batch for name in names[:_PARTITIONS] for batch in _batches(opened, name)]
    return partitions, decode_sample(raw, settings, case.now)


def decode_sample(raw: list[pa.RecordBatch], settings: Settings, now: datetime) -> Sample:
    """Decode ``RAW`` batches to see what the flow would make of them."""
    fields = _fields(settings.source)
    events, problems = 0, Counter[str]()
    newest: list[datetime] = []
    texts: list[str] = []
    for batch in raw:
        decoded = decode_batch(batch, settings, now=now)
        events += len(decoded.events)
        texts += decoded.events.column("text").to_pylist()
        if len(decoded.events):
            newest.append(pc.max(decoded.events.column("ts")).as_py())
        columns = [decoded.dead_letters.column(name).to_pylist() for name in ("reason", "message")]
        for reason, message in zip(*columns, strict=True):
            # The message names the field before the first colon. What follows may quote the record.
            field = message.partition(":")[0]
            problems[f"{reason} of {field!r}" if field in fields else reason] += 1
    stamps = [stamp for batch in raw if (stamp := pc.max(batch.column("message_ts")).as_py())]
    masking = try_masking(pa.array(texts, pa.string()))
    return Sample(events, problems, max(newest, default=None), max(stamps, default=None), masking)


def _fields(options: Source) -> set[str]:
    names = (options.id_field, options.key_field, options.ts_field, options.text_field)
    return {name for name in names if name}


def _batches(source: Any, partition: str) -> Iterator[pa.RecordBatch]:
    """A batch from the start of the partition; of a topic, also the last batch.

    The settings may be right although the records at one end are bad.
    """
    if not hasattr(source, "ends"):
        starts: list[int | None] = [None]
    else:
        low, high = source.ends(partition)
        starts = [start for start in (low, max(low + _ROWS, high - _ROWS)) if start < high]
    for start in starts:
        yield from _batch(source, partition, start)


def _batch(source: Any, partition: str, start: int | None) -> list[pa.RecordBatch]:
    part = source.build_part("doctor", partition, start)
    try:
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            if batches := part.next_batch():
                return list(batches)
            time.sleep(_POLL_S)
    except StopIteration:
        pass
    finally:
        part.close()
    return []
