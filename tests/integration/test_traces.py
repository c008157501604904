"""A collector in the test gets the spans of a real flow, and of a real Triton that takes part."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from dataflow.flow import flow
from dataflow.sink.step_ids import step_id
from export.serve.sidecar import Sidecar
from tests.support import faulty_model, flows
from tests.support.flows import TEXT, environment, rows, write_mixed, write_stream
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """All spans that arrived, and the services that sent them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()

    def take(self, request: trace_service_pb2.ExportTraceServiceRequest) -> None:
        for of_one in request.resource_spans:
            self.services |= {
                a.value.string_value for a in of_one.resource.attributes if a.key == "service.name"
            }
            self.spans += [span for scope in of_one.scope_spans for span in scope.spans]

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.take(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    """The collector, and its OTLP/gRPC endpoint."""
    taking, running = Collector(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(taking, running)  # type: ignore[no-untyped-call]
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield taking, f"http://127.0.0.1:{port}"
    running.stop(None).wait()


def run(folder: Path, endpoint: str, more: dict[str, str], code: int = 0) -> str:
    env = environment(folder, DRIFTLINE_LOG__TRACES="otlp", DRIFTLINE_LOG__LEVEL="warning")
    env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} | more
    return flows.run(env, code=code)


def attributes(span: Span) -> dict[str, str | int]:
    values = {a.key.removeprefix("driftline."): a.value for a in span.attributes}
    return {k: v.string_value or v.int_value for k, v in values.items()}


def test_the_spans_of_a_flow(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    taken, endpoint = collector
    write_stream(tmp_path, 300)
    with (tmp_path / "0.jsonl").open("a") as file:
        file.write("aardvark is no JSON\n")
    dead = f"file:{tmp_path}/out/dead.jsonl file:{tmp_path}/out/dead.parquet"
    otel = {"OTEL_SERVICE_NAME": "mine", "OTEL_SPAN_LINK_COUNT_LIMIT": "1000"}
    scores = f"file:{tmp_path}/out/scores.jsonl file:{tmp_path}/out/scores.parquet"
    sinks = {"DRIFTLINE_SINK__DEAD_LETTERS": dead, "DRIFTLINE_SINK__SCORES": scores}
    run(tmp_path, endpoint, sinks | otel)
    assert taken.services == {"mine"}
    assert set(Counter(span.name for span in taken.spans)) == {"decode", "embed", "window", "score", "sink"}
    by_id = {span.span_id: span for span in taken.spans}
    decoded = taken.named("decode")
    assert not any(span.parent_span_id for span in decoded)
    assert sum(int(attributes(span)["rows"]) for span in decoded) == 301
    # Each micro-batch is embedded. The span of a dead letter in the sink is a child of its decode span.
    for span in taken.named("embed"):
        assert by_id[span.parent_span_id].name == "decode"
        assert (attributes(span)["model"], attributes(span)["model_version"]) == ("null", "1")
    assert sum(int(attributes(span)["rows"]) for span in taken.named("embed")) == 300
    parents = Counter((attributes(s)["step"], by_id[s.parent_span_id].name) for s in taken.named("sink"))
    for uri in dead.split():
        assert parents[f"driftline.{step_id('dead_letters', uri)}", "decode"] == 1
    to_scores = f"driftline.{step_id('scores', scores.split(maxsplit=1)[0])}"
    assert parents[to_scores, "score"] > 0
    written = [span for span in taken.named("sink") if attributes(span)["step"] == to_scores]
    of = {each for span in written for each in (span.parent_span_id, *(link.span_id for link in span.links))}
    assert of == {span.span_id for span in taken.named("score")}
    # Each window is linked to the micro-batches that its rows were read in. One batch has the bad line alone.
    for span in taken.named("score"):
        assert by_id[span.parent_span_id].name == "window"
    linked = {link.span_id for span in taken.named("window") for link in span.links}
    embedded = {
        each for s in taken.named("embed") for each in (s.parent_span_id, *(k.span_id for k in s.links))
    }
    assert linked == embedded
    assert len(embedded) == 3
    scored = rows(tmp_path / "out/scores.jsonl")
    assert sum(int(attributes(span)["rows"]) for span in taken.named("window")) == len(scored)
    (written_too,) = (tmp_path / "out/scores.parquet").glob("*.parquet")
    assert b"traceparent" not in written_too.read_bytes()
    assert b"aardvark" not in b"".join(span.SerializeToString() for span in taken.spans)
    assert b"text " not in b"".join(span.SerializeToString() for span in taken.spans)


def test_an_error_is_told_without_what_it_quotes(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    taken, endpoint = collector
    write_mixed(tmp_path)
    run(tmp_path, endpoint, {"DRIFTLINE_SCORE__KIND": "tests.support.scorers:quoting"}, code=1)
    (failed,) = (span for span in taken.spans if span.status.code == Status.STATUS_CODE_ERROR)
    assert (failed.name, failed.status.message) == ("score", "ValueError")
    assert TEXT.encode() not in b"".join(span.SerializeToString() for span in taken.spans)


def test_a_collector_that_is_away_costs_one_line(tmp_path: Path) -> None:
    write_stream(tmp_path, 30)
    told = run(tmp_path, f"http://127.0.0.1:{free_port()}", {"OTEL_BSP_SCHEDULE_DELAY": "50"})
    assert told.count("\n") <= 1


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_stream(tmp_path, 3)
    for name, value in environment(tmp_path, DRIFTLINE_LOG__TRACES="otlp").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "dataflow.telemetry.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(SystemExit) as caught:
        flow()
    assert caught.value.code == 2
    assert "pip install 'driftline[tracing]'" in capsys.readouterr().err


def test_off_it_is_not_even_imported() -> None:
    code = (
        "import sys, dataflow.flow, dataflow.embed.triton.connect; "
        "print([m for m in sys.modules if 'opentelemetry' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@contextmanager
def over_http(served: list[dict[str, str]]) -> Iterator[str]:
    """An OTLP/HTTP endpoint for JSON, the format that Triton sends. ``served`` gets the spans."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            served.extend(
                span
                for of_one in json.loads(body)["resourceSpans"]
                for scope in of_one["scopeSpans"]
                for span in scope["spans"]
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces"
        finally:
            server.shutdown()
            thread.join()


def test_triton_joins_in(tmp_path: Path, collector: tuple[Collector, str], sidecar_venv: Path) -> None:
    taken, endpoint = collector
    write_stream(tmp_path, 30)
    root = faulty_model.repository(tmp_path / "repository", 1)
    served: list[dict[str, str]] = []
    with over_http(served) as url:
        flags = [
            f"--trace-config={each}"
            for each in ("mode=opentelemetry", "rate=1", "level=TIMESTAMPS", f"opentelemetry,url={url}",
                         "opentelemetry,bsp_schedule_delay=100")
        ]  # fmt: skip
        log = tmp_path / "log"
        with Sidecar(root, venv=sidecar_venv, models=["sbert"], arguments=flags, log=log) as sidecar:
            embed = {"KIND": "triton", "URL": sidecar.url, "DIM": str(faulty_model.DIM)}
            run(tmp_path, endpoint, {f"DRIFTLINE_EMBED__{name}": value for name, value in embed.items()})
    by_id = {span.span_id: span for span in taken.spans}
    requests = taken.named("inference.GRPCInferenceService/ModelInfer")
    within = [span for span in requests if span.parent_span_id in by_id]
    assert {by_id[span.parent_span_id].name for span in within} == {"embed"}
    assert {attributes(span)["rpc.system"] for span in requests} == {"grpc"}
    mine = {(span.trace_id.hex(), span.span_id.hex()) for span in requests}
    triton = [span for span in served if span["name"] == "InferRequest"]
    # On a loaded machine, Triton has sent some spans without a parent.
    joined = {(span["traceId"], span["parentSpanId"]) for span in triton if "parentSpanId" in span}
    assert joined
    assert joined <= mine
