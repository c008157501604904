"""The page shows the metrics of the flow."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from dashboard import health
from dashboard.health import Health
from tests.support.ports import free_port

METRICS = """\
# TYPE driftline_records_total counter
driftline_records_total {records}
# TYPE driftline_windows_open gauge
driftline_windows_open 3
# TYPE driftline_source_lag_messages gauge
driftline_source_lag_messages NaN
# TYPE driftline_embed_request_seconds histogram
driftline_embed_request_seconds_bucket{{le="+Inf"}} 4
driftline_embed_request_seconds_count 4
driftline_embed_request_seconds_sum 0.5
# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="sbert",version="1"}} 9
# TYPE process_open_fds gauge
process_open_fds 7
"""


class Served(ThreadingHTTPServer):
    records, status = 100, 200


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Served)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(METRICS.format(records=self.server.records).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint() -> Iterator[Served]:
    with Served(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_FRESH_S", -1.0)


def url(server: Served) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/metrics"


def test_metrics_belong_to_their_stages(endpoint: Served) -> None:
    reader = Health([url(endpoint)])
    found = reader.read()
    assert (found["reachable"], found["message"]) == (True, "")
    assert [each["stage"] for each in found["stages"]] == ["source", "embed", "window"]
    source = {each["name"]: each for each in found["stages"][0]["metrics"]}
    assert source["driftline_records_total"]["value"] == 100
    assert source["driftline_records_total"]["rate"] is None
    assert source["driftline_source_lag_messages"]["value"] is None
    (triton,) = found["triton"]
    assert (triton["model"], triton["version"]) == ("sbert", "1")


def test_a_rate_is_the_growth_between_two_readings(endpoint: Served) -> None:
    reader = Health([url(endpoint)])
    reader.read()
    endpoint.records = 150
    stages = {each["stage"]: each["metrics"] for each in reader.read()["stages"]}
    rates = {each["name"]: each["rate"] for some in stages.values() for each in some}
    assert rates["driftline_records_total"] > 0
    assert rates["driftline_embed_request_seconds_count"] == 0
    assert rates["driftline_windows_open"] is None
    # A process that was started again counts from zero.
    endpoint.records = 5
    stages = {each["stage"]: each["metrics"] for each in reader.read()["stages"]}
    assert stages["source"][0]["rate"] == 0


def test_an_endpoint_that_does_not_answer_is_named(endpoint: Served) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/metrics"
    found = Health([nowhere]).read()
    assert found["reachable"] is False
    assert nowhere in found["message"]
    assert "BYTEWAX_DATAFLOW_API_ENABLED" in found["message"]
    both = Health([nowhere, url(endpoint)]).read()
    assert both["reachable"] is True
    assert nowhere in both["message"]
    assert both["stages"]
    endpoint.status = 500
    assert Health([url(endpoint)]).read()["reachable"] is False
