"""What a sample of the records says about the settings and about the clock."""

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from dataflow.doctor import Case
from dataflow.doctor.profile import Masking
from dataflow.doctor.source import Sample, clock_finding, decode_sample, findings, source_finding
from dataflow.items.schemas import RAW
from dataflow.settings import Settings, Source
from tests.support.batches import raw

NOW = datetime(2100, 1, 1, tzinfo=timezone.utc)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=timezone.utc)
TEXT = "aardvark"
GOOD = {"ts": NEW_YEAR.isoformat(), "text": TEXT}
CASE = Case(Settings(), None, False, NOW)


def sample(
    events: int = 0,
    problems: tuple[str, ...] = (),
    newest: datetime | None = None,
    stamped: datetime | None = None,
) -> Sample:
    return Sample(events, Counter(problems), newest, stamped, Masking())


def test_a_sample_counts_events_and_problems_without_their_values() -> None:
    later, future = NEW_YEAR + timedelta(days=1), NOW + timedelta(days=1)
    times = (NEW_YEAR.isoformat(), later.isoformat(), TEXT, future.isoformat())
    records = [json.dumps(GOOD | {"ts": time}).encode() for time in times]
    found = decode_sample([raw([*records, TEXT.encode()])], Settings(), NOW)
    assert (found.events, found.dead_letters, found.newest, found.stamped) == (2, 3, later, None)
    assert found.problems["bad_time of 'ts'"] == found.problems["malformed"] == 1
    assert found.masking == Masking(texts=2, changed=0, different=1, forms=1)
    assert TEXT not in str(found)


def test_the_newest_stamp_of_a_message_counts() -> None:
    batch = raw([json.dumps(GOOD).encode()] * 3)
    stamps = [NOW, None, NOW + timedelta(hours=1)]
    index = RAW.get_field_index("message_ts")
    stamped = batch.set_column(index, RAW.field(index), pa.array(stamps, RAW.field(index).type))
    stamped = pa.RecordBatch.from_arrays(stamped.columns, schema=batch.schema)
    assert decode_sample([stamped, batch], Settings(), NOW).stamped == stamps[-1]


@pytest.mark.parametrize(
    ("found", "status", "said"),
    [
        (None, "ok", "cannot be read twice"),
        (sample(), "ok", "no record is there yet"),
        (sample(3), "ok", "3 of 3 records tried are events"),
        (sample(1, ("bad_time", "bad_time", "malformed")), "warning", "1 of 4 .*2 bad_time, 1 malformed"),
        (sample(0, ("bad_time",)), "wrong", "none of 1 records tried is an event .*__TS_FIELD"),
    ],
)
def test_the_finding_about_the_source(found: Sample | None, status: str, said: str) -> None:
    finding = source_finding("2 partitions in x", found)
    assert (finding.check, finding.status) == ("source", status)
    assert finding.message.startswith("2 partitions in x; ")
    assert re.search(said, finding.message)


@pytest.mark.parametrize(
    ("found", "status", "said"),
    [
        (None, "ok", "times without a zone are read as UTC"),
        (sample(1, newest=NEW_YEAR), "ok", "the newest event tried 2026-01-01"),
        (sample(1, ("future of 'ts'", "future")), "warning", "2 records are stamped more than window."),
        (sample(1, stamped=NOW + timedelta(seconds=4)), "ok", "the clock says 2100"),
        (sample(1, stamped=NOW + timedelta(seconds=6)), "warning", "0:00:06 behind the stamp of a message"),
    ],
)
def test_the_finding_about_the_clock(found: Sample | None, status: str, said: str) -> None:
    finding = clock_finding(CASE, found)
    assert (finding.check, finding.status) == ("clock", status)
    assert said in finding.message


def test_a_clock_before_the_program_is_wrong() -> None:
    old = Case(Settings(), None, False, datetime(1999, 1, 1, tzinfo=timezone.utc))
    assert clock_finding(old, None).status == "wrong"


def test_a_file_is_sampled_at_its_start_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n" * 150)
    before = path.read_bytes(), path.stat().st_mtime_ns
    source, clock = findings(Case(Settings(source=Source(uri=str(path))), None, False, NOW))
    assert source.message == f"1 partition in {path}; 100 of 100 records tried are events"
    assert (source.status, clock.status) == ("ok", "ok")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_log_that_is_followed_is_tried_as_far_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow.doctor.source._PATIENCE_S", 0.1)
    path = tmp_path / "log.jsonl"
    case = Case(Settings(source=Source(uri=f"tail:{path}")), None, False, NOW)
    said = []
    for lines in (0, 3):
        if lines:
            path.write_text(f"{json.dumps(GOOD)}\n" * lines)
        said.append(findings(case)[0].message.partition("; ")[2])
    assert said == ["no record is there yet to try the settings on", "3 of 3 records tried are events"]


def test_a_table_is_sampled_at_its_start_wherever_the_flow_begins(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", pa.table({"ts": [NEW_YEAR] * 150, "text": [TEXT] * 150}))
    uri = f"delta:{tmp_path}/t?start=latest"
    source, _ = findings(Case(Settings(source=Source(uri=uri)), None, False, NOW))
    assert source.message == f"1 partition in {uri}; 100 of 100 records tried are events"


def test_a_log_gets_a_suggestion_beside_the_other_findings(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"text": f"port {n} is open"}) + "\n" for n in range(100)))
    found = findings(Case(Settings(source=Source(uri=str(path))), None, False, NOW))
    assert [finding.check for finding in found] == ["source", "profile", "clock"]
    assert "DRIFTLINE_PROFILE=logs" in found[1].message


def test_a_source_that_is_not_there_still_has_a_clock(tmp_path: Path) -> None:
    settings = Settings(source=Source(uri=str(tmp_path / "none.jsonl")))
    source, clock = findings(Case(settings, None, False, NOW))
    assert (source.status, clock.status) == ("wrong", "ok")
