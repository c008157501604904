"""The device of the model server: in the words of a server inside the test, which has a GPU or none."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from dataflow.doctor import device
from dataflow.errors import OutageError
from dataflow.settings import Embed
from tests.support.kserve import Server, running
from tests.support.ports import free_port

METRICS = """
# TYPE nv_gpu_memory_total_bytes gauge
nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 85520809984.000000
nv_gpu_memory_total_bytes{gpu_uuid="GPU-2"} 85520809984
# TYPE nv_gpu_memory_used_bytes gauge
nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 1.073741824e9
nv_gpu_memory_used_bytes{gpu_uuid="GPU-2"} 0
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the metrics endpoint answers: the text in the list."""
    text = [METRICS]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/metrics"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text[0].encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as endpoint:
        monkeypatch.setattr(device, "METRICS_PORT", endpoint.server_port)
        thread = Thread(target=endpoint.serve_forever)
        thread.start()
        yield text
        endpoint.shutdown()
        thread.join()


def said(server: Server) -> str:
    finding = device.findings(Embed(url=server.url), "10+abcd")
    assert (finding.check, finding.status) == ("device", "ok")
    return finding.message


def test_a_cpu_is_called_a_cpu(server: Server) -> None:
    assert said(server) == "the server runs the model on the CPU"


def test_the_encoder_decides_and_the_metrics_say_how_much_memory(server: Server, metrics: list[str]) -> None:
    server.kinds["sbert_encoder"] = ("KIND_GPU", "KIND_GPU")
    assert said(server) == ("the server runs the model on a GPU; 2 GPUs with 159.3 GiB, 158.3 GiB of it free")
    server.kinds = {"sbert": ("KIND_GPU",), "sbert_encoder": ("KIND_CPU",)}
    assert said(server) == "the server runs the model on the CPU"


def test_without_metrics_the_memory_is_not_known(
    server: Server, metrics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.kinds["sbert_encoder"] = ("KIND_GPU",)
    metrics[0] = "nv_inference_count 1"
    assert said(server).endswith("/metrics does not have nv_gpu_memory_total_bytes")
    monkeypatch.setattr(device, "METRICS_PORT", free_port())
    assert "its memory is not known, because http://127.0.0.1:" in said(server)
    assert "Connection refused" in said(server)


def test_a_config_without_a_kind_says_nothing(server: Server) -> None:
    server.kinds["sbert"] = ("KIND_MODEL",)
    assert said(server) == "the config of the model does not say on which device it runs"


def test_a_server_without_configs_says_nothing(server: Server) -> None:
    server.kinds.clear()
    assert said(server) == "the config of the model does not say on which device it runs"


def test_a_server_that_does_not_answer_is_an_outage() -> None:
    url = f"127.0.0.1:{free_port()}"
    with pytest.raises(OutageError, match=f"^Triton at {url}: connection refused$"):
        device.findings(Embed(url=url), "10+abcd")
