"""A mistake gives one line that says what is wrong and what to do, and never a traceback."""

from pathlib import Path

import pytest

from dataflow.flow import flow
from tests.support.flows import environment, rows, run, write_stream


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("WINDOW__LENGHT", "10m", "DRIFTLINE_WINDOW__LENGHT: no such setting"),
        ("WINDOW__LENGTH", "ten minutes", "DRIFTLINE_WINDOW__LENGTH='ten minutes': not a duration"),
        ("WINDOW__SLIDE", "1ms", "window.length is 600,000 times window.slide"),
        ("SOURCE__URI", "file:not/there.jsonl", "not/there.jsonl: no such file"),
        ("SOURCE__URI", "file:not/*.jsonl", "not/*.jsonl: no file matches"),
        ("SOURCE__URI", "carrier-pigeon:", "no source 'carrier-pigeon'; there are file, tail, stdin, kafka"),
        ("SOURCE__URI", "demo:?speed=9", "speed"),
        ("SOURCE__TS_FORMAT", "%Q", "%Q"),
        (
            "SOURCE__MASK",
            "number ips",
            "source.mask='ips': no such pattern; there are path, uuid, time, hex, ip",
        ),
        ("SOURCE__MASK", "host=(web", "source.mask='host=(web': not a regular expression of RE2 (missing ))"),
        ("SINK__SCORES", "tape:", "no sink 'tape'"),
        ("SINK__SCORES", "file:/proc/driftline/scores.jsonl", "/proc/driftline"),
        ("SINK__SCORES", "kafka://user:hunter2@localhost/topic", "do not belong in a URI"),
        ("SCORE__KIND", "kmeens", "there are kmeans, mean, cosine, knn, lof"),
        ("EMBED__KIND", "triton", "does not answer (connection refused); start it with `make sidecar`"),
    ],
)
def test_a_mistake_in_the_settings(
    setting: str,
    value: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_stream(tmp_path, events=3)
    env = environment(tmp_path, DRIFTLINE_EMBED__URL="127.0.0.1:9", DRIFTLINE_EMBED__STARTUP_TIMEOUT="2s")
    for name, default in env.items():
        monkeypatch.setenv(name, default)
    monkeypatch.setenv(f"DRIFTLINE_{setting}", value)
    with pytest.raises(SystemExit) as caught:
        flow()
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("driftline: ")
    assert said in last
    assert "hunter2" not in last


def test_a_scorer_that_answers_wrongly_ends_the_flow_with_one_line(tmp_path: Path) -> None:
    write_stream(tmp_path)
    kind = "tests.support.scorers:three_numbers"
    said = run(environment(tmp_path, DRIFTLINE_SCORE__KIND=kind, DRIFTLINE_LOG__LEVEL="warning"), code=1)
    assert said.count("\n") == 1
    assert "three_numbers': must return" in said


def test_whatever_the_records_are_every_one_is_accounted_for(tmp_path: Path) -> None:
    good = '{"id": "%d", "ts": "2026-01-01T00:0%d:00Z", "text": "hello", "host": "a"}'
    bad = [
        b"not json",
        b'{"id": "1", "text": "no time", "host": "a"}',
        b'{"id": "1", "ts": "yesterday", "text": "x", "host": "a"}',
        b'{"id": "1", "ts": NaN, "text": "x", "host": "a"}',
        b'{"id": "1", "ts": "2026-01-01T00:00:00Z", "text": 7, "host": "a"}',
        b'{"id": "1", "ts": "2999-01-01T00:00:00Z", "text": "x", "host": "a"}',
        b'{"id": "1", "ts": "2026-01-01T00:00:00Z", "text": "\xff\xfe", "host": "a"}',
        b'{"id": "1", "ts": "2026-01-01T00:00:00Z", "host": "a", "text": "' + b"x" * 10_000_000 + b'"}',
    ]
    lines = [(good % (i, i)).encode() for i in range(5)]
    (tmp_path / "0.jsonl").write_bytes(b"\n".join([*lines, *bad]) + b"\n")
    assert run(environment(tmp_path, DRIFTLINE_LOG__LEVEL="error")) == ""
    dead = rows(tmp_path / "out/dead.jsonl")
    assert [r["reason"] for r in dead] == [
        "malformed", "missing_field", "bad_time", "bad_value", "bad_value", "future", "not_utf8", "too_large",
    ]  # fmt: skip
    for row, line in zip(dead[:6], bad[:6], strict=True):
        assert str(row["raw"]).encode() == line
        assert row["message"]
