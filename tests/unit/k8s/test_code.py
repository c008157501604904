"""The manifests agree with the code: a setting, flag, port or model that is renamed there fails here."""

import importlib.util
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest
from bytewax import run

import dataflow
from dataflow import settings
from dataflow.embed.repository import ENCODER, MODEL
from dataflow.endpoints.uri import parse
from dataflow.errors import SettingsError
from export.__main__ import _parser
from export.convert import precision, weights
from export.serve.sidecar import Sidecar
from tests.support import manifests
from tests.support.manifests import OVERLAYS, Object, container, flags, one, pod
from tests.support.paths import ROOT

SECRETS = {"username": "driftline", "password": "not a secret"}
STORE = "/recovery/store"


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return manifests.built(request.param)


def loaded(objects: list[Object]) -> settings.Settings:
    return settings.load(manifests.environment(objects, pod_name="driftline-0", secrets=SECRETS))


def test_the_settings_are_accepted(objects: list[Object]) -> None:
    found = loaded(objects)
    assert found.embed.kind == "triton"
    assert found.embed.dim == {"all-MiniLM-L6-v2": 384, "all-mpnet-base-v2": 768}[model(objects)]
    # Nothing ever ends a stream from Kafka, so only this closes the windows of a partition gone quiet.
    assert found.window.idle_timeout


def test_the_credentials_reach_the_settings(tmp_path: Path) -> None:
    kafka = loaded(manifests.with_components("gpu", tmp_path)).kafka
    assert (kafka.security_protocol, kafka.sasl_username) == ("SASL_SSL", "driftline")
    assert kafka.sasl_password
    assert kafka.sasl_password.get_secret_value() == "not a secret"


def test_no_service_adds_variables_that_are_no_settings(objects: list[Object]) -> None:
    with pytest.raises(SettingsError, match="DRIFTLINE_SERVICE_HOST"):
        settings.load({"DRIFTLINE_SERVICE_HOST": "10.0.0.1"})
    assert pod(objects)["enableServiceLinks"] is False


@pytest.mark.parametrize("ordinal", [0, 1])
def test_bytewax_finds_its_cluster(
    objects: list[Object], ordinal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicas = one(objects, "StatefulSet")["spec"]["replicas"]
    if ordinal >= replicas:
        pytest.skip("there is no such pod")
    spec = container(objects, "dataflow")
    env = manifests.environment(objects, pod_name=f"driftline-{ordinal}", secrets=SECRETS)
    hostfile = tmp_path / "hostfile"
    hostfile.write_text(manifests.config_map(objects, "driftline-cluster")["hostfile"])
    for name in [name for name in os.environ if name.startswith("BYTEWAX_")]:
        monkeypatch.delenv(name)
    for name, value in (env | {"BYTEWAX_HOSTFILE_PATH": str(hostfile)}).items():
        monkeypatch.setenv(name, value)
    assert spec["command"][:3] == ["python", "-m", "bytewax.run"]
    monkeypatch.setattr(sys, "argv", [*spec["command"][2:], *spec["args"]])
    found = run._parse_args()
    service, port = one(objects, "Service")["metadata"]["name"], 2101
    assert found.process_id == ordinal
    assert found.addresses.split(";") == [f"driftline-{i}.{service}:{port}" for i in range(replicas)]
    assert port in [each["containerPort"] for each in spec["ports"]]
    assert found.recovery_directory == Path(STORE)
    assert found.snapshot_interval < found.backup_interval
    module, _, function = found.import_str.partition(":")
    assert callable(getattr(import_module(module), function))


def test_bytewax_reads_every_variable_that_is_set(objects: list[Object]) -> None:
    spec = container(objects, "dataflow")
    wheel = Path(run.__file__).parent
    code = Path(run.__file__).read_bytes() + b"".join(path.read_bytes() for path in wheel.glob("*.so"))
    names = [each["name"] for each in spec["env"] if each["name"].startswith("BYTEWAX_")]
    assert len(names) == 6
    assert [name for name in names if name.encode() not in code] == []


def test_the_api_is_where_the_probes_look(objects: list[Object]) -> None:
    spec = container(objects, "dataflow")
    env = {each["name"]: each.get("value") for each in spec["env"]}
    (port,) = (each["containerPort"] for each in spec["ports"] if each["name"] == "metrics")
    assert env["BYTEWAX_DATAFLOW_API_PORT"] == str(port)
    assert f"http://127.0.0.1:{port}/metrics" == alive().METRICS
    writable = [m["mountPath"] for m in spec["volumeMounts"] if not m.get("readOnly")]
    assert env["BYTEWAX_DATAFLOW_API_CACHE_PATH"] in writable
    assert str(alive().SEEN.parent) in writable


def test_the_dataflow_is_given_the_time_that_its_settings_allow(objects: list[Object]) -> None:
    spec, embed = container(objects, "dataflow"), loaded(objects).embed
    startup, liveness = spec["startupProbe"], spec["livenessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] > 2 * embed.startup_timeout.total_seconds()
    assert timedelta(seconds=int(liveness["exec"]["command"][-1])) > embed.max_outage


def test_triton_listens_where_the_dataflow_and_the_probes_look(objects: list[Object]) -> None:
    triton = container(objects, "triton")
    given = flags(triton["args"])
    assert loaded(objects).embed.url == f"{given['--grpc-address'][0]}:{given['--grpc-port'][0]}"
    assert given["--http-address"] == ["127.0.0.1"]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        command = triton[kind]["exec"]["command"]
        assert re.fullmatch(
            rf"http://127\.0\.0\.1:{given['--http-port'][0]}/v2/health/(ready|live)", command[-1]
        )
        assert float(command[command.index("--max-time") + 1]) < triton[kind]["timeoutSeconds"]
    assert [str(each["containerPort"]) for each in triton["ports"]] == given["--metrics-port"]


def test_triton_serves_the_models_that_the_export_makes(objects: list[Object]) -> None:
    triton = container(objects, "triton")
    given = flags(triton["args"])
    assert given["--load-model"] == [ENCODER, MODEL]
    assert loaded(objects).embed.model == MODEL
    parsed = _parser().parse_args(command(container(objects, "model")))
    assert parsed.model in weights.KNOWN
    assert given["--model-repository"] == [str(parsed.repository)] == [str(loaded(objects).embed.repository)]
    for each in (triton, container(objects, "model"), container(objects, "dataflow")):
        assert {m["mountPath"]: m["name"] for m in each["volumeMounts"]}["/models"] == "models"
    assert str(parsed.cache).startswith("/tmp/")


def test_on_a_gpu_it_is_the_large_model_in_fp16_and_on_a_laptop_the_small_one() -> None:
    made = {}
    for overlay in OVERLAYS:
        objects = manifests.built(overlay)
        parsed = _parser().parse_args(command(container(objects, "model")))
        made[overlay] = (parsed.model, parsed.device, parsed.precision)
        precision.require_available(parsed.precision or "fp32", parsed.device or "auto", parsed.texts)
        # What makes it has no GPU: the gate is passed on a CPU.
        assert "nvidia.com/gpu" not in container(objects, "model")["resources"]["limits"]
    assert made == {
        "cpu": ("all-MiniLM-L6-v2", None, None),
        "gpu": ("all-mpnet-base-v2", "gpu", "fp16"),
    }


def test_triton_is_started_as_on_a_laptop(objects: list[Object], tmp_path: Path) -> None:
    sidecar = Sidecar(Path("/models"), log=tmp_path / "log", http_port=8000, metrics_port=8002)
    server = sidecar._arguments.__globals__["tritonserver"].Server(Path("tritonserver"), {})
    there = flags(sidecar._arguments(server, tmp_path, "secret"))
    here = flags([*container(objects, "triton")["args"], *key_flags(tmp_path)])
    for name in (
        "--model-repository",
        "--model-control-mode",
        "--load-model",
        "--disable-auto-complete-config",
        "--grpc-restricted-protocol",
        "--http-restricted-api",
    ):
        assert here[name] == there[name]
    assert set(there) - set(here) == {"--backend-config"}  # its prefix in /dev/shm, which is a pod's own
    assert not set(here) - set(there)


def key_flags(folder: Path) -> list[str]:
    """What ``docker/triton.sh`` adds to the arguments, with ``secret`` for the key that it makes."""
    program, held = folder / "tritonserver", folder / "key"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "TRITON_KEY_FILE": str(held)}
    script = ROOT / "docker" / "triton.sh"
    done = subprocess.run([script, "--first"], env=env, capture_output=True, text=True, check=True)
    first, *added = done.stdout.splitlines()
    assert first == "--first"
    secret = held.read_text().strip()
    assert len(secret) == 32
    assert stat.S_IMODE(held.stat().st_mode) == 0o600
    return [flag.replace(secret, "secret") for flag in added]


def test_triton_s_key_is_in_memory_where_nobody_else_looks(objects: list[Object]) -> None:
    triton = container(objects, "triton")
    (path,) = (each["value"] for each in triton["env"] if each["name"] == "TRITON_KEY_FILE")
    mounts = {m["mountPath"]: m["name"] for m in triton["volumeMounts"]}
    name = mounts[str(Path(path).parent)]
    (volume,) = (each for each in manifests.pod(objects)["volumes"] if each["name"] == name)
    assert volume["emptyDir"]["medium"] == "Memory"
    for each in manifests.containers(objects):
        assert each is triton or name not in [mount["name"] for mount in each["volumeMounts"]]


def model(objects: list[Object]) -> str:
    name: str = _parser().parse_args(command(container(objects, "model"))).model
    return name


def command(spec: Object) -> list[str]:
    """The arguments of ``python -m export``."""
    assert spec["command"][:3] == ["python", "-m", "export"]
    return [*spec["command"][3:], *spec["args"]]


def test_the_images_are_those_of_this_version_and_model(objects: list[Object]) -> None:
    for each in manifests.containers(objects):
        name, _, tag = each["image"].partition(":")
        assert name in ("driftline/dataflow", "driftline/export", "driftline/triton")
        assert tag == dataflow.__version__ or tag.startswith(f"{dataflow.__version__}-")
    assert container(objects, "model")["image"].endswith(f"-{model(objects).lower()}")


def test_kafka_is_reached_through_the_policy() -> None:
    found = loaded(manifests.built("gpu"))
    used = [found.source.uri, *found.sink.scores, *found.sink.late, *found.sink.dead_letters]
    hosts = {host for uri in used for host in parse(uri).authority.split(",")}
    allowed = {
        f"{to['namespaceSelector']['matchLabels']['kubernetes.io/metadata.name']}.svc:{port['port']}"
        for rule in one(manifests.built("gpu"), "NetworkPolicy")["spec"]["egress"]
        for to in rule["to"]
        if "podSelector" not in to
        for port in rule["ports"]
    }
    assert {host.partition(".")[2] for host in hosts} == allowed


@pytest.mark.parametrize(
    ("pod_name", "partitions"), [("driftline-0", 4), ("driftline-1", 0), ("driftline-10", 0)]
)
def test_the_partitions_are_made_once_on_pod_0(tmp_path: Path, pod_name: str, partitions: int) -> None:
    spec = container(manifests.built("cpu"), "recovery")
    (script,) = spec["args"]
    script = script.replace("/recovery", str(tmp_path))
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "new").mkdir()  # an attempt that was cut short
    (tmp_path / "new" / "part-0.sqlite3").touch()
    env = os.environ | {
        "BYTEWAX_POD_NAME": pod_name,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    made = []
    for _ in range(2):
        subprocess.run([*spec["command"], script], env=env, check=True, capture_output=True)
        store = sorted((tmp_path / "store").iterdir())
        made.append([(path.name, path.stat().st_mtime_ns, path.stat().st_ino) for path in store])
    assert made[0] == made[1]
    assert [name for name, *_ in made[0]] == [f"part-{i}.sqlite3" for i in range(partitions)]
    assert {p.name for p in tmp_path.iterdir()} == {"lost+found", "store"}
    assert container(manifests.built("cpu"), "dataflow")["args"][:2] == ["-r", STORE]


def alive() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alive", ROOT / "k8s" / "base" / "alive.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving(answers: list[str]) -> Iterator[str]:
    """A server whose answers are ``answers``, in turn, then none."""

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


POLLS = 'bytewax_inp_part_next_batch_duration_seconds_count{{step_id="driftline.source"}} {}\nother 1\n'


def test_the_epoch_stands_still(tmp_path: Path) -> None:
    probe, seen = alive(), tmp_path / "seen"
    with serving([POLLS.format(n) for n in (1, 2, 2, 2, 3)]) as url:
        assert probe.main(60, url, seen) == 0
        assert probe.main(60, url, seen) == 0
        os.utime(seen, (0, 0))  # a long time ago
        assert probe.main(60, url, seen) == 1
        assert probe.main(60, url, seen) == 1
        assert probe.main(60, url, seen) == 0
        assert probe.main(60, url, seen) == 1  # 503
    assert probe.main(60, url, seen) == 1  # nobody there


def test_a_process_without_a_source_is_alive_while_it_answers(tmp_path: Path) -> None:
    with serving(["other 1\n", "other 1\n"]) as url:
        assert alive().main(60, url, tmp_path / "seen") == 0
        os.utime(tmp_path / "seen", (0, 0))
        assert alive().main(60, url, tmp_path / "seen") == 0
