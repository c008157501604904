"""``python -m dataflow.doctor`` with a real Kafka broker, and with servers that are no broker."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from dataflow.endpoints import kafka
from tests.support.doctor import Examine, examiner
from tests.support.flows import TEXT
from tests.support.kafka_broker import PATIENCE_S, QUIET, broker, make_topic
from tests.support.ports import free_port
from tests.support.tls import authority, certificate

pytestmark = pytest.mark.integration


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    return examiner(tmp_path, monkeypatch, capsys)


@contextmanager
def tls_server(folder: Path) -> Iterator[int]:
    """A TCP server that shows a certificate and closes each connection: its port."""
    authority(folder, "ca")
    certificate(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_kafka_that_is_away_or_refuses_us(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each doctor run below waits this long, except the last one.
    monkeypatch.setattr(kafka, "TIMEOUT_S", 3.0)
    secret = {"KAFKA__SASL_USERNAME": "me", "KAFKA__SASL_PASSWORD": "hunter2"}
    code, found = examine(SOURCE__URI=f"kafka://127.0.0.1:{free_port()}/events")
    assert (code, found["source"][0]) == (1, "away")
    assert "Connection refused" in found["source"][1]
    with tls_server(tmp_path) as port:
        code, found = examine(SOURCE__URI=f"kafka://127.0.0.1:{port}/events", KAFKA__SECURITY_PROTOCOL="SSL")
        assert (code, found["source"][0]) == (2, "wrong")
        assert "certificate verify failed" in found["source"][1]
    with broker(tmp_path / "broker.log") as address:
        code, found = examine(
            SOURCE__URI=f"kafka://{address}/events",
            KAFKA__SECURITY_PROTOCOL="SASL_PLAINTEXT",
            KAFKA__SASL_MECHANISM="PLAIN",
            **secret,
        )
        assert (code, found["source"][0]) == (2, "wrong")
        assert "SASL" in found["source"][1]
        monkeypatch.setattr(kafka, "TIMEOUT_S", PATIENCE_S)
        code, found = examine(SOURCE__URI=f"kafka://{address}/nope", SINK__LATE=f"kafka://{address}/nope")
        assert code == 2
        assert "Unknown topic" in found["source"][1]
        assert "Unknown topic" in found["sink.late"][1]


def test_a_topic_is_read_and_stays_as_it_is(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "TIMEOUT_S", PATIENCE_S)
    with broker(tmp_path / "broker.log") as address:
        make_topic(address, "events", partitions=1)
        uri = f"kafka://{address}/events?start=latest"
        _, found = examine(SOURCE__URI=uri)
        assert found["source"][0] == "ok"
        assert "no record is there yet" in found["source"][1]
        producer = Producer(QUIET | {"bootstrap.servers": address})
        ahead = int((time.time() + 1800) * 1000)
        for i in range(20):
            event = {"id": str(i), "host": "a", "ts": f"2026-01-01T00:00:{i:02}Z", "text": TEXT}
            producer.produce("events", json.dumps(event), timestamp=ahead if i == 9 else ahead - 10**8)
        assert producer.flush(PATIENCE_S) == 0
        for _ in range(2):
            code, found = examine(SOURCE__URI=uri)
            assert (code, found["source"][0]) == (0, "ok"), found
            assert "20 of 20 records" in found["source"][1]
            assert found["clock"][0] == "warning"
            assert "stamp of a message" in found["clock"][1]
