"""Every command that a document fences as ``bash`` runs, in order, as a reader would paste it.

If a ``text`` block follows, it is what the command prints. Commands that are fenced as ``sh`` are what CI
runs (``make demo``, ``make test``), or need a cluster, or export a model.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from deltalake import DeltaTable

from export.serve.sidecar import Sidecar
from tests.support.kafka_broker import QUIET, broker, make_topic
from tests.support.paths import ROOT

EVENTS = (ROOT / "examples" / "payments.jsonl").read_bytes().splitlines()
LINKED = ("dataflow", "export", "examples", "model_repo", "pyproject.toml")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[str]:
    """A broker with the topics of the documents, and the example's events in the first."""
    with broker(tmp_path / "broker.log") as address:
        for topic in ("payments", "scores", "late", "dead-letters"):
            make_topic(address, topic)
        producer = Producer(QUIET | {"bootstrap.servers": address})
        for line in EVENTS:
            producer.produce("payments", line)
        assert producer.flush(20) == 0
        yield address


def messages(address: str, topic: str, n: int) -> list[dict[str, Any]]:
    """The first ``n`` messages of a topic, fewer if no more come."""
    config = {"bootstrap.servers": address, "group.id": "test", "auto.offset.reset": "earliest"}
    consumer = Consumer(QUIET | config)
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in (0, 1)])
        taken = [m for m in consumer.consume(n, timeout=20) if m.error() is None]
        return [json.loads(m.value() or b"") for m in taken]
    finally:
        consumer.close()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the commands use, where they may write."""
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def blocks(document: str) -> list[tuple[str, str]]:
    """(commands, what they print or nothing) of each block."""
    fenced = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", (ROOT / document).read_text())
    following = [*fenced[1:], ("", "")]
    return [
        (text, after if kind == "text" else "")
        for (language, text), (kind, after) in zip(fenced, following, strict=True)
        if language == "bash"
    ]


def run(command: str, folder: Path, triton: Sidecar | None = None) -> str:
    """What the command prints. It succeeds, and the dataflow has nothing to complain about."""
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **({"DRIFTLINE_EMBED__URL": triton.url, "TRITON": triton.url} if triton else {}),
    }
    done = subprocess.run(
        ["bash", "-eu", "-c", command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert "driftline:" not in done.stderr, f"{command}\n{done.stderr}"
    return done.stdout


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.integration
def test_the_commands_of_sources_and_sinks(triton: Sidecar, kafka: str, checkout: Path) -> None:
    commands = [command for command, _ in blocks("docs/guides/sources-and-sinks.md")]
    assert len(commands) >= 6
    scores = checkout / "out" / "scores.jsonl"
    seen: set[int] = set()
    for command in commands:
        run(command.replace("localhost:9092", kafka), checkout, triton)
        if "out/scores.jsonl" in command and "bytewax.run" in command:
            assert len({row["id"] for row in lines(scores)}) == len(EVENTS), command
            mtime = scores.stat().st_mtime_ns
            assert mtime not in seen, f"nothing was written: {command}"
            seen.add(mtime)
    # Sliding windows of 10 minutes every 5: each event is in two.
    rows = messages(kafka, "scores", 2 * len(EVENTS))
    assert len({(row["id"], row["window_start"]) for row in rows}) == 2 * len(EVENTS)


@pytest.mark.integration
def test_the_commands_of_replay(checkout: Path) -> None:
    for command, printed in blocks("docs/guides/replay.md"):
        found = [run(command, checkout), printed]
        if "replay list" in command:  # it says when the records were read
            found = [re.sub(r"20\d\d-[\d-]+T[\d:]+Z", "TIME", text) for text in found]
        assert found[0] == found[1]
    assert len(lines(checkout / "out/replay/1/scores.jsonl")) == 2 * len(EVENTS)


@pytest.mark.integration
def test_the_commands_of_marks(checkout: Path) -> None:
    found = blocks("docs/guides/marks.md")
    assert len(found) == 2
    for command, printed in found:
        assert run(command, checkout) == printed


@pytest.mark.integration
def test_the_commands_of_backtests(checkout: Path) -> None:
    commands = [command for command, _ in blocks("docs/guides/backtest.md")]
    assert len(commands) == 2
    printed = [run(command, checkout) for command in commands]
    paths = (checkout / f"out/{name}/report.json" for name in ("first", "second"))
    first, second = (json.loads(path.read_text()) for path in paths)
    assert first["settings"] == {"alert.budget": {"recorded": "1000/d", "now": "100/d"}}
    assert first["compared_with"] == "delta:out/alerts"
    assert "precision by marks before: 0.00 (" in printed[1]
    assert second["counts"]["gone"] > 0


@pytest.mark.integration
def test_the_commands_of_kafka(triton: Sidecar, checkout: Path) -> None:
    """The topics are those that the document makes."""
    with broker(checkout / "broker.log") as address:
        for command, printed in blocks("docs/guides/kafka.md"):
            said = run(command.replace("localhost:9092", address), checkout, triton)
            assert said == printed


@pytest.mark.integration
def test_the_commands_of_delta(triton: Sidecar, checkout: Path) -> None:
    for command, printed in blocks("docs/guides/delta.md"):
        said = run(command, checkout, triton)
        if printed:
            assert said == printed
        elif "nlargest" in command:
            assert len(said.splitlines()) == 4
    scores = DeltaTable(checkout / "out" / "scores").to_pandas()
    assert len(scores) == 2 * len(EVENTS)
    assert not scores.duplicated(["window_start", "id"]).any()


@pytest.mark.integration
def test_the_commands_of_the_tutorial(triton: Sidecar, checkout: Path) -> None:
    text = (ROOT / "docs" / "tutorial" / "getting-started.md").read_text()
    counts = [int(count) for count in re.findall(r"\b(\d+) rows\b", text)]
    assert len(counts) == 2
    for command, printed in blocks("docs/tutorial/getting-started.md"):
        said = run(command, checkout, triton)
        if "wc -l" in command:
            assert said.split() == [str(counts.pop(0)), "out/tutorial.jsonl"]
        if printed:
            # The last digits of a score depend on the CPU.
            texts = [[line.split("  ")[1:] for line in each.splitlines()] for each in (printed, said)]
            assert texts[0][:2] == texts[1][:2]
    assert not counts
    assert len(lines(checkout / "out" / "lengths.jsonl")) == 802


@pytest.mark.integration
def test_the_commands_of_the_model_server(triton: Sidecar, checkout: Path) -> None:
    ((command, printed),) = blocks("docs/guides/model-server.md")
    assert run(command, checkout, triton) == printed


@pytest.mark.integration
def test_the_commands_of_files(triton: Sidecar, checkout: Path) -> None:
    scores = checkout / "out" / "scores.jsonl"
    for command, _ in blocks("docs/guides/files.md"):
        scores.unlink(missing_ok=True)
        run(command, checkout, triton)
        if "bytewax.run" in command:
            assert len({row["id"] for row in lines(scores)}) == len(EVENTS), command
