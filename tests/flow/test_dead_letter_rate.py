"""``source.max_dead_letter_rate`` ends the whole flow with one line, and a restart loses nothing."""

import json
from datetime import timedelta
from pathlib import Path

from tests.support.flows import START, environment, recovery, rows, run


def test_a_changed_schema_ends_the_flow_and_a_corrected_setting_reads_on(tmp_path: Path) -> None:
    times = [(START + timedelta(seconds=n)).isoformat() for n in range(6000)]
    lines = [
        json.dumps({"id": f"e{n}", "host": "a", "text": "t", ("ts" if n < 2000 else "time"): time}) + "\n"
        for n, time in enumerate(times)
    ]
    (tmp_path / "0.jsonl").write_text("".join(lines))
    flags = recovery(tmp_path / "recovery")
    strict = {"DRIFTLINE_SOURCE__MAX_DEAD_LETTER_RATE": "0.5"}
    said = run(environment(tmp_path, **strict), *flags, "-w", "2", code=1)
    last = said.splitlines()[-1]
    assert last.startswith(f"driftline: {tmp_path}/0.jsonl: 501 of 1000 records up to offset ")
    assert "first dead letter with the reason missing_field" in said
    assert "Traceback" not in said
    run(environment(tmp_path, **strict, DRIFTLINE_SOURCE__TS_FIELD="time"), *flags)
    letters = rows(tmp_path / "out/dead.jsonl")
    events = {row["id"] for row in rows(tmp_path / "out/scores.jsonl")}
    assert len({row["offset"] for row in letters}) == len(letters) <= 501
    assert len(events) + len(letters) == len(lines)  # each record is an event or a dead letter
