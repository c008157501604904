"""The comparison of the kill test sees a changed row, and not when a record was read."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.kills import OUTPUTS, Result, _compare


def write(folder: Path, dead: dict[str, Any]) -> None:
    folder.mkdir()
    for output in OUTPUTS:
        (folder / f"{output}.jsonl").write_text(json.dumps(dead) + "\n" if output == "dead" else "")


@pytest.mark.parametrize(("change", "different"), [({"envelope": {"arrival": "b"}}, 0), ({"raw": "x"}, 1)])
def test_a_dead_letter_may_be_read_at_another_time(
    tmp_path: Path, change: dict[str, Any], different: int
) -> None:
    dead = {"partition": "p", "offset": 1, "raw": "r", "envelope": {"arrival": "a"}}
    write(tmp_path / "calm", dead)
    write(tmp_path / "killed", dead | change)
    result = Result("s")
    _compare(tmp_path, result)
    assert (result.rows, result.different, result.good) == (1, different, not different)
