"""The consumer of docs/guides/kafka.md has each row once, however often the flow is killed."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.support.flows import PACED, environment, run, scores, start, write_stream
from tests.support.kafka_broker import PATIENCE_S, QUIET, Config, broker, make_topic
from tests.support.kafka_messages import receive
from tests.support.paths import ROOT
from tests.support.processes import killed

pytestmark = pytest.mark.integration

Key = tuple[str, str, str]


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    """The documented program, in a folder with the folder that it writes to."""
    (tmp_path / "out").mkdir()
    document = (ROOT / "docs" / "guides" / "kafka.md").read_text()
    (program,) = re.findall(r"(?s)cat > out/upsert\.py <<'END'\n(.*?)^END$", document, re.MULTILINE)
    path = tmp_path / "out" / "upsert.py"
    path.write_text(program)
    return path


def wait_for_rows(address: str, topic: str, offset: int) -> None:
    """Return when a partition of the topic has the message ``offset``."""
    config: Config = {"bootstrap.servers": address, "group.id": "test"}
    with closing(Consumer(config | QUIET)) as watching:
        watching.assign([TopicPartition(topic, partition, offset) for partition in (0, 1)])
        message = watching.poll(PATIENCE_S)
        assert message
        assert message.error() is None


def upsert(consumer: Path, address: str) -> dict[Key, dict[str, object]]:
    """The table of the program, after it has read the topic to its end."""
    command = [sys.executable, str(consumer), address, "scores"]
    subprocess.run(command, cwd=consumer.parent.parent, check=True)
    with closing(sqlite3.connect(consumer.parent / "scores.sqlite")) as table:
        found = [json.loads(row) for (row,) in table.execute("SELECT row FROM newest")]
    rows = {(str(row["key"]), str(row["window_start"]), str(row["id"])): row for row in found}
    assert len(rows) == len(found)
    return rows


def test_a_killed_flow_leaves_each_row_once_in_the_table(tmp_path: Path, consumer: Path) -> None:
    """The first kill comes before the first snapshot, so all rows until then come twice."""
    write_stream(tmp_path, 900)
    store = tmp_path / "recovery"
    store.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(store), "1"], check=True)
    with broker(tmp_path / "broker.log") as address:
        make_topic(address, "scores")
        env = environment(
            tmp_path,
            PACE="0.05",
            DRIFTLINE_SOURCE__BATCH_ROWS="20",
            DRIFTLINE_SINK__SCORES=f"file:{tmp_path}/scores kafka://{address}/scores?compression=zstd",
        )
        before = 0
        for interval in ("3600", "1"):
            with killed(start(env, "-r", str(store), "-s", interval, "-b", "0", flow=PACED)):
                wait_for_rows(address, "scores", before + 10)
            before = len(receive(address, "scores"))
            upsert(consumer, address)
        run(env | {"PACE": "0"}, "-r", str(store), "-s", "1", "-b", "0", flow=PACED)
        sent = receive(address, "scores")
        table = upsert(consumer, address)
    assert len(sent) > len(dict(sent))  # some messages came twice
    assert {key: row["score"] for key, row in table.items()} == scores(tmp_path / "scores")
    assert len(table) == len(dict(sent))
