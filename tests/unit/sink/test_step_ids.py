"""The step id of a sink."""

import re
from pathlib import Path

from dataflow.sink.step_ids import step_id


def test_a_sink_is_known_by_its_stream_and_uri(tmp_path: Path) -> None:
    same = {step_id("scores", uri) for uri in ("a.jsonl", "file:./a.jsonl", f"file://{tmp_path}/a.jsonl")}
    (step,) = same
    assert re.fullmatch("sink_scores_[0-9a-f]{12}", step)
    tables = {step_id("scores", uri) for uri in ("delta:t", "delta:./t/", f"delta:file://{tmp_path}/t")}
    assert len(tables) == 1
    others = {step_id("scores", uri) for uri in ("b.jsonl", "stdout:", "stderr:", "a.parquet")}
    others |= {step_id("scores", f"https://host/{uri}") for uri in ("?a=1", "?a=1#b=1", "a%2f", "a/")}
    assert len(same | others | {step_id("late", "a.jsonl")}) == 10
