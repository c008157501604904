"""A reference that a flow made is exported, and pinned in another flow."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataflow.items.embedding import embeddings
from dataflow.items.fixed import distances, of_unit, squared, to_fixed
from dataflow.recovery.store import read_states
from tests.support.flows import environment, recovery, rows, run, write_stream
from tests.support.forked import Forked
from tests.support.recovery import other_flow

SETTINGS = {
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "100",
    "DRIFTLINE_SCORE__HALF_LIFE": "1h",
    "DRIFTLINE_SOURCE__MASK": "number",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "3",
    "DRIFTLINE_WINDOW__ON_EOF": "keep",
}

LETTERS = str.maketrans("0123456789", "abcdefghij")


def command(env: dict[str, str], *words: object) -> "subprocess.CompletedProcess[str]":
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Forked("dataflow.reference", *map(str, words), env=env, **pipes) as process:
        out, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out.decode(), errors.decode())


def texts(folder: Path) -> None:
    """Put a word before each number, because the mask makes numbers equal."""
    for path in folder.glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            number = line["text"].removeprefix("text ")
            line["text"] = f"{number.translate(LETTERS)} text {number}"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a stream, the recovery store of a flow over it, and an export; and the environment."""
    folder = tmp_path_factory.mktemp("made")
    write_stream(folder, 1200)
    texts(folder)
    env = environment(folder, **SETTINGS)
    flags = recovery(folder / "store")
    run(env, *flags)
    done = command(env, "export", "--store", folder / "store", folder / "saved.parquet")
    assert done.returncode == 0, done.stderr
    return folder, env


def scored(env: dict[str, str], folder: Path, name: str, **settings: str) -> list[dict[str, Any]]:
    out = folder / f"out/{name}.jsonl"
    run(env | {"DRIFTLINE_SINK__SCORES": f"file:{out}", "DRIFTLINE_WINDOW__ON_EOF": "close"} | settings)
    return rows(out)


def test_the_events_that_are_sampled_are_saved_and_no_others(made: tuple[Path, dict[str, str]]) -> None:
    folder, _ = made
    saved = pq.read_table(folder / "saved.parquet").to_pylist()
    keys = {row["key"] for row in saved}
    assert len(keys) == 6
    assert all(sum(row["key"] == key for row in saved) == 100 for key in keys)
    (samples,) = read_states(folder / "store", ["driftline.score.sample"])
    assert sum(len(priority) // 8 for state in samples.values() for _, priority, *_ in state["keys"]) == 600
    there = {
        (line["host"], line["text"])
        for path in folder.glob("*.jsonl")
        for line in map(json.loads, path.read_text().splitlines())
    }
    assert {(row["key"], row["text"]) for row in saved} <= there
    assert all(row["masked"] == row["text"].split()[0] + " text <number>" for row in saved)


def test_a_saved_reference_is_pinned(made: tuple[Path, dict[str, str]]) -> None:
    folder, env = made
    saved = pq.read_table(folder / "saved.parquet").combine_chunks().to_batches()[0]
    pinned = {"DRIFTLINE_SCORE__PINNED": f"file:{folder}/saved.parquet", "DRIFTLINE_SINK__EMBEDDINGS": "true"}
    found = scored(env, folder, "pinned", **pinned)
    known = [row for row in found if row["novelty"] is not None]
    assert len(known) > len(found) / 2
    members, keys = of_unit(embeddings(saved)), np.array(saved.column("key").to_pylist())
    for row in known[::50]:
        vector = to_fixed(np.array([row["embedding"]], np.float32))
        expected = distances(squared(vector, members[keys == row["key"]])).min()
        assert np.isclose(row["novelty"], expected)


def test_texts_are_pinned_as_their_saved_reference_is(made: tuple[Path, dict[str, str]]) -> None:
    folder, env = made
    lines = [
        {"host": row["key"], "ts": row["ts"].isoformat(), "text": row["text"]}
        for row in pq.read_table(folder / "saved.parquet").to_pylist()
    ]
    path = folder / "texts/good.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = command(env, "import", path, folder / "imported.parquet")
    assert done.returncode == 0, done.stderr
    found = [
        scored(env, folder, name, DRIFTLINE_SCORE__PINNED=str(folder / name))
        for name in ("saved.parquet", "texts/good.jsonl", "imported.parquet")
    ]
    first, *others = (sorted(each, key=lambda row: json.dumps(row, sort_keys=True)) for each in found)
    assert all(other == first for other in others)


def test_an_export_needs_the_mask_of_the_flow_and_the_store_for_itself(
    made: tuple[Path, dict[str, str]],
) -> None:
    folder, env = made
    words = ["export", "--store", folder / "store", folder / "other.parquet"]
    done = command(env | {"DRIFTLINE_SOURCE__MASK": "ip"}, *words)
    assert done.returncode == 2
    assert "masked with another source.mask; set DRIFTLINE_SOURCE__MASK" in done.stderr
    flow = other_flow(folder / "store")
    try:
        done = command(env, *words)
        assert done.returncode == 2
        assert "another flow uses this store (process " in done.stderr
    finally:
        flow.communicate("")
    assert not (folder / "other.parquet").exists()


def test_a_key_alone_is_saved_and_shown(made: tuple[Path, dict[str, str]]) -> None:
    folder, env = made
    out = folder / "one.parquet"
    assert command(env, "export", "--store", folder / "store", out, "--key", "k00").returncode == 0
    assert set(pq.read_table(out).column("key").to_pylist()) == {"k00"}
    done = command(env, "export", "--store", folder / "store", out, "--key", "other")
    assert "--key other: the store has no events of this key; `show --store` lists" in done.stderr
    shown = command(env, "show", "--store", folder / "store").stdout
    assert shown.count("key k") == 6
    assert command(env, "show", out).stdout in shown
