"""The benchmark of masking runs, and says when a log is not there."""

import re
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks import masking


def write(folder: Path, *texts: str) -> None:
    lines = [
        orjson.dumps({"id": f"e{n}", "key": "k", "ts": "2026-01-01T00:00:00Z", "text": text})
        for n, text in enumerate(texts)
    ]
    (folder / "bgl.jsonl").write_bytes(b"\n".join(lines))


def test_the_distinct_texts_of_a_log_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "core.1", "core.2", "core.2", "done")
    monkeypatch.setattr(masking, "SHARED", tmp_path)
    monkeypatch.setattr(sys, "argv", ["masking", "--runs", "1"])
    masking.main()
    out = capsys.readouterr().out
    assert re.search(r"^not measured: openssh \(.*openssh.jsonl does not exist\)$", out, re.M)
    assert "\n| bgl | no | 4 | 3 | 25.0% |" in out
    assert "\n| bgl | yes | 4 | 2 | 50.0% |" in out


def test_an_unknown_pattern_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["masking", "numbers"])
    with pytest.raises(SystemExit):
        masking.main()
    assert "'numbers': no such pattern; there are path, uuid, time" in capsys.readouterr().err
