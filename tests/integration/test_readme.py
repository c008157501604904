"""Every command of README.md that is fenced as ``bash`` runs, in order, as a reader would paste it.

Those fenced as ``sh`` are what CI itself runs (``make demo``, ``make test``) or need a cluster.
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

from export.serve.sidecar import Sidecar
from tests.support.kafka_broker import QUIET, broker, make_topic
from tests.support.paths import ROOT

EVENTS = (ROOT / "examples" / "payments.jsonl").read_bytes().splitlines()
LINKED = ("dataflow", "export", "examples", "model_repo", "pyproject.toml")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[str]:
    """A broker with the topics of the README, and the example's events in the first."""
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


@pytest.mark.integration
def test_the_commands_of_the_readme(triton: Sidecar, kafka: str, tmp_path: Path) -> None:
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DRIFTLINE_EMBED__URL": triton.url,
        "TRITON": triton.url,
    }
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    scores = tmp_path / "out" / "scores.jsonl"
    seen: set[int] = set()
    for block in blocks:
        command = ["bash", "-eu", "-c", block.replace("localhost:9092", kafka)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
        assert "driftline:" not in done.stderr, f"{block}\n{done.stderr}"
        if "out/scores.jsonl" in block and "bytewax.run" in block:
            rows = [json.loads(line) for line in scores.read_text().splitlines()]
            assert len({row["id"] for row in rows}) == len(EVENTS), block
            mtime = scores.stat().st_mtime_ns
            assert mtime not in seen, f"nothing was written: {block}"
            seen.add(mtime)
    # Sliding windows of 10 minutes every 5: each event is in two.
    rows = messages(kafka, "scores", 2 * len(EVENTS))
    assert len({(row["id"], row["window_start"]) for row in rows}) == 2 * len(EVENTS)
