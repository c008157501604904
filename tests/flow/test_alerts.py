"""Alerts of the whole flow: the same in any batches, and with any kind of windows."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality import run
from dataflow.embed import open_embedder
from dataflow.errors import SettingsError
from dataflow.settings import load
from tests.support.flows import ALERTING, START, environment, recovery, rows
from tests.support.flows import run as flow

KINDS = {
    "sliding": {"DRIFTLINE_WINDOW__DELAY": "10m"},
    "late": {"DRIFTLINE_WINDOW__DELAY": "1m", "DRIFTLINE_WINDOW__ALLOWED_LATENESS": "20m"},
    "session": {
        "DRIFTLINE_WINDOW__KIND": "session",
        "DRIFTLINE_WINDOW__GAP": "2m",
        "DRIFTLINE_WINDOW__DELAY": "10m",
    },
    "key": {"DRIFTLINE_WINDOW__DELAY": "10m", "DRIFTLINE_WINDOW__WATERMARK": "key"},
    "per key": {"DRIFTLINE_WINDOW__DELAY": "10m", "DRIFTLINE_ALERT__PER": "key"},
}


def write_events(folder: Path) -> None:
    """Events of four keys, disordered by three minutes. Some texts come once, and some in bursts."""
    rng, lines = np.random.default_rng(7), []
    for number in range(1200):
        text = f"usual {rng.integers(40)}" if rng.random() < 0.97 else f"odd {number}"
        if 600 <= number < 640:
            text = f"burst {rng.integers(2)}"
        at = START + timedelta(seconds=12 * number + int(rng.integers(3)))
        host = str(rng.choice(list("abcd")))
        lines.append({"id": f"e{number}", "host": host, "ts": at.isoformat(), "text": text})
    order = np.argsort(np.arange(1200) + rng.uniform(0, 15, size=1200))
    (folder / "0.jsonl").write_text("".join(json.dumps(lines[i]) + "\n" for i in order))


def alerts(folder: Path, **more: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The alerts of a run, and its rows of drift."""
    path, of_drift = folder / "out/alerts.jsonl", folder / "out/drift.jsonl"
    for each in (path, of_drift):
        each.unlink(missing_ok=True)
    sinks = dict.fromkeys(("SCORES", "LATE", "DEAD_LETTERS"), "")
    sinks |= {"ALERTS": f"file:{path}", "DRIFT": f"file:{of_drift}"}
    sinks = {f"DRIFTLINE_SINK__{name}": uri for name, uri in sinks.items()}
    options = load(environment(folder, **ALERTING, **sinks, **more))
    run(options, open_embedder(options.embed))
    return (
        sorted(rows(path), key=lambda row: (row["decided"], row["incident"], row["sequence"])),
        sorted(rows(of_drift), key=lambda row: (row["key"], row["window_end"], row["revision"])),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_batches_change_no_alert(kind: str, tmp_path: Path) -> None:
    write_events(tmp_path)
    runs = [alerts(tmp_path, DRIFTLINE_SOURCE__BATCH_ROWS=str(size), **KINDS[kind]) for size in (1200, 7)]
    assert runs[0] == runs[1]
    found, drift = runs[0]
    assert len({row["key"] for row in found}) > 1
    assert {row["kind"] for row in found} >= {"events"}
    assert sum(row["state"] == "tested" for row in drift) > 20
    assert all(row["p_value"] is None for row in drift if row["state"] != "tested")
    each = Counter(row["incident"] for row in found)
    for incident, n in each.items():
        mine = [row for row in found if row["incident"] == incident]
        assert [row["sequence"] for row in mine] == list(range(n))
        assert mine[0]["state"] == "open"
        assert all(row["count"] >= 1 for row in mine if row["state"] not in ("withdrawn", "merged"))
        assert mine[0]["kind"] == "drift" or all(mine[0]["examples"][0].values())


def test_provisional_alerts_come_besides_and_batches_change_none(tmp_path: Path) -> None:
    write_events(tmp_path)
    early = KINDS["sliding"] | {"DRIFTLINE_ALERT__EARLY": "true"}
    runs = [alerts(tmp_path, DRIFTLINE_SOURCE__BATCH_ROWS=str(size), **early)[0] for size in (1200, 7)]
    assert runs[0] == runs[1]
    first = {row["incident"]: row for row in runs[0] if row["sequence"] == 0}
    provisional = {id for id, row in first.items() if row["state"] == "provisional"}
    rest = [row for row in runs[0] if row["incident"] not in provisional]
    assert rest == alerts(tmp_path, **KINDS["sliding"])[0]
    confirmed = [row for row in runs[0] if row["state"] == "confirmed"]
    assert all(all(first[row["incident"]]["examples"][0].values()) for row in confirmed)
    # Some become an incident that is new, and is announced so. Others open an older one again.
    pairs = [(first[row["incident"]], first[row["merged_into"]]) for row in confirmed]
    assert sum(early["decided"] < opened["decided"] for early, opened in pairs) > 2


def test_a_restart_changes_no_provisional_alert(tmp_path: Path) -> None:
    """The second part of the file comes after a restart, in the middle of windows."""
    found = []
    for parts in (1, 2):
        folder = tmp_path / str(parts)
        folder.mkdir()
        write_events(folder)
        path, out, flags = folder / "0.jsonl", folder / "out/alerts.jsonl", recovery(folder / "store")
        lines = path.read_text().splitlines(keepends=True)
        more = ALERTING | KINDS["sliding"] | {"DRIFTLINE_ALERT__EARLY": "true"}
        more |= {"DRIFTLINE_WINDOW__ON_EOF": "keep", "DRIFTLINE_SINK__ALERTS": f"file:{out}"}
        for part in range(parts):
            path.write_text("".join(lines[: len(lines) * (part + 1) // parts]))
            flow(environment(folder, **more), *flags)
        found.append(rows(out))
    assert found[0] == found[1]
    assert Counter(row["state"] for row in found[0])["confirmed"] > 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"SCORE__REFERENCE": "false"}, "alert.early needs a reference"),
        ({"SCORE__EVIDENCE": "score"}, "alert.early: with score.evidence = score"),
        ({"WINDOW__KIND": "session"}, "alert.early needs windows that all keys share"),
        ({"WINDOW__WATERMARK": "key"}, "alert.early needs windows that all keys share"),
    ],
)
def test_provisional_alerts_that_cannot_be_are_refused(more: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=f"^{says}"):
        load({f"DRIFTLINE_{name}": value for name, value in {"ALERT__EARLY": "true", **more}.items()})


def test_without_a_reference_alerts_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^sink.alerts needs a reference: set score.reference = true$"):
        load(environment(tmp_path, DRIFTLINE_SCORE__REFERENCE="false", DRIFTLINE_SINK__ALERTS="stdout:"))


@pytest.mark.parametrize("name", ["SCORE__REFERENCE", "DRIFT__ENABLED"])
def test_rows_of_drift_without_tests_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^sink.drift needs tests of drift: set score.reference = true"):
        load(environment(tmp_path, DRIFTLINE_SINK__DRIFT="stdout:", **{f"DRIFTLINE_{name}": "false"}))


def test_keys_with_watermarks_of_their_own_share_no_budget(tmp_path: Path) -> None:
    own = environment(tmp_path, DRIFTLINE_WINDOW__WATERMARK="key", DRIFTLINE_ALERT__PER="stream")
    with pytest.raises(SettingsError, match=r"^alert.per = stream: with window.watermark = key"):
        load(own)
