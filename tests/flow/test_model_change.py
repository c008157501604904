"""The model changes, while the flow runs or while it stands still: references are embedded again."""

from pathlib import Path

from dataflow.items.schemas import EVIDENCE
from tests.support.flows import environment, recovery, rows, run, write_stream

FLOW = "tests.support.versioned:flow"
#: A suspect event waits for the next window only: else what waits depends on the former version.
SETTINGS = {
    "DRIFTLINE_SCORE__REFERENCE": "true",
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "1000",
    "DRIFTLINE_SCORE__EVIDENCE": "novelty",
    "DRIFTLINE_SCORE__QUARANTINE": "1s",
    "DRIFTLINE_SOURCE__MASK": "word=text",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "3",
    "CHANGE_TEXTS": "0",
}


def by_window(folder: Path, version: str) -> dict[tuple[object, ...], list[object]]:
    """The evidence of the rows of windows that ``version`` embedded."""
    return {
        tuple(row[name] for name in ("key", "window_start", "id")): [row[field.name] for field in EVIDENCE]
        for row in rows(folder / "out/scores.jsonl")
        if row["model_version"] == version
    }


def test_the_evidence_is_as_if_the_new_version_had_embedded_all(tmp_path: Path) -> None:
    write_stream(tmp_path, 1500)
    env = environment(tmp_path, **SETTINGS)
    scores = tmp_path / "out/scores.jsonl"
    run(env | {"VERSIONS": "2"}, flow=FLOW)
    expected = by_window(tmp_path, "2")
    scores.unlink()

    said = run(env | {"VERSIONS": "1 2", "CHANGE_TEXTS": "900"}, flow=FLOW)
    changed, before = by_window(tmp_path, "2"), by_window(tmp_path, "1")
    assert "events of references are embedded again by null 2 in" in said
    assert before
    assert len(before) + len(changed) == len(expected)
    assert changed == {place: expected[place] for place in changed}
    assert sum(evidence[-1] is not None for evidence in changed.values()) > len(changed) / 2
    scores.unlink()

    lines = {path: path.read_text().splitlines(keepends=True) for path in tmp_path.glob("*.jsonl")}
    flags = recovery(tmp_path / "store")
    for share, version, processes in ((0.4, "1", 1), (0.7, "2", 2), (1.0, "2", 1)):
        for path, all_lines in lines.items():
            path.write_text("".join(all_lines[: int(share * len(all_lines))]))
        more = {"VERSIONS": version, "DRIFTLINE_WINDOW__ON_EOF": "close" if share == 1.0 else "keep"}
        run(env | more, *flags, processes=processes, flow=FLOW)
    restarted = by_window(tmp_path, "2")
    assert 0 < len(restarted) < len(expected)
    assert restarted == {place: expected[place] for place in restarted}
