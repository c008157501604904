"""The liveness probe ``alive.py`` fails when the dataflow stands still, and only then."""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

from tests.support.manifests import Object, container
from tests.support.paths import ROOT

POLLS = 'bytewax_inp_part_next_batch_duration_seconds_count{{step_id="driftline.source"}} {}\nother 1\n'


@pytest.fixture
def probe() -> ModuleType:
    """``alive.py`` as a module: it lies in no package."""
    spec = importlib.util.spec_from_file_location("alive", ROOT / "k8s" / "base" / "alive.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving(answers: list[str]) -> Iterator[str]:
    """A server that gives ``answers`` in turn, and then status 503. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if answers else 503)
            self.end_headers()
            self.wfile.write(answers.pop(0).encode() if answers else b"")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics"
        finally:
            server.shutdown()
            thread.join()


def test_it_fails_when_the_polls_stand_still(probe: ModuleType, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with serving([POLLS.format(n) for n in (1, 2, 2, 2, 3)]) as url:
        assert probe.main(60, url, seen) == 0
        assert probe.main(60, url, seen) == 0
        os.utime(seen, (0, 0))  # a long time ago
        assert probe.main(60, url, seen) == 1
        assert probe.main(60, url, seen) == 1
        assert probe.main(60, url, seen) == 0
        assert probe.main(60, url, seen) == 1  # status 503
    assert probe.main(60, url, seen) == 1  # no server


def test_a_process_that_reads_no_partition_is_alive_while_it_answers(
    probe: ModuleType, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    with serving(["other 1\n", "other 1\n"]) as url:
        assert probe.main(60, url, seen) == 0
        os.utime(seen, (0, 0))
        assert probe.main(60, url, seen) == 0


def test_it_reads_the_port_and_writes_where_the_pod_allows(probe: ModuleType, overlay: list[Object]) -> None:
    spec = container(overlay, "dataflow")
    (port,) = (each["containerPort"] for each in spec["ports"] if each["name"] == "metrics")
    assert f"http://127.0.0.1:{port}/metrics" == probe.METRICS
    writable = [mount["mountPath"] for mount in spec["volumeMounts"] if not mount.get("readOnly")]
    assert str(probe.SEEN.parent) in writable
