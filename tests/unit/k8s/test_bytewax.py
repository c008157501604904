"""Bytewax finds its cluster, its recovery store and its API as the manifests give them."""

import os
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from bytewax import run

from tests.support import manifests
from tests.support.manifests import SECRETS, Object, container, loaded, one

STORE = "/recovery/store"
CLUSTER_PORT = 2101


@pytest.mark.parametrize("ordinal", [0, 1])
def test_bytewax_finds_its_cluster(
    overlay: list[Object], ordinal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicas = one(overlay, "StatefulSet")["spec"]["replicas"]
    if ordinal >= replicas:
        pytest.skip("the overlay has no such pod")
    spec = container(overlay, "dataflow")
    env = manifests.environment(overlay, pod_name=f"driftline-{ordinal}", secrets=SECRETS)
    hostfile = tmp_path / "hostfile"
    hostfile.write_text(manifests.config_map(overlay, "driftline-cluster")["hostfile"])
    for name in [name for name in os.environ if name.startswith("BYTEWAX_")]:
        monkeypatch.delenv(name)
    for name, value in (env | {"BYTEWAX_HOSTFILE_PATH": str(hostfile)}).items():
        monkeypatch.setenv(name, value)
    assert spec["command"][:3] == ["python", "-m", "bytewax.run"]
    monkeypatch.setattr(sys, "argv", [*spec["command"][2:], *spec["args"]])
    found = run._parse_args()
    service = one(overlay, "Service")["metadata"]["name"]
    assert found.process_id == ordinal
    assert found.addresses.split(";") == [f"driftline-{i}.{service}:{CLUSTER_PORT}" for i in range(replicas)]
    assert CLUSTER_PORT in [each["containerPort"] for each in spec["ports"]]
    assert found.recovery_directory == Path(STORE)
    assert found.snapshot_interval < found.backup_interval
    module, _, function = found.import_str.partition(":")
    assert callable(getattr(import_module(module), function))


def test_bytewax_reads_every_variable_that_is_set(overlay: list[Object]) -> None:
    spec = container(overlay, "dataflow")
    wheel = Path(run.__file__).parent
    code = Path(run.__file__).read_bytes() + b"".join(path.read_bytes() for path in wheel.glob("*.so"))
    names = [each["name"] for each in spec["env"] if each["name"].startswith("BYTEWAX_")]
    assert len(names) == 6
    assert [name for name in names if name.encode() not in code] == []


def test_the_api_writes_its_file_where_the_pod_can_write(overlay: list[Object]) -> None:
    spec = container(overlay, "dataflow")
    env = {each["name"]: each.get("value") for each in spec["env"]}
    (port,) = (each["containerPort"] for each in spec["ports"] if each["name"] == "metrics")
    assert env["BYTEWAX_DATAFLOW_API_PORT"] == str(port)
    writable = [mount["mountPath"] for mount in spec["volumeMounts"] if not mount.get("readOnly")]
    assert env["BYTEWAX_DATAFLOW_API_CACHE_PATH"] in writable


def test_the_probes_allow_the_times_that_the_settings_allow(overlay: list[Object]) -> None:
    spec, embed = container(overlay, "dataflow"), loaded(overlay).embed
    startup, liveness = spec["startupProbe"], spec["livenessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] > 2 * embed.startup_timeout.total_seconds()
    assert timedelta(seconds=int(liveness["exec"]["command"][-1])) > embed.max_outage


@pytest.mark.parametrize(
    ("pod_name", "partitions"), [("driftline-0", 4), ("driftline-1", 0), ("driftline-10", 0)]
)
def test_the_partitions_are_made_once_on_pod_0(tmp_path: Path, pod_name: str, partitions: int) -> None:
    spec = container(manifests.built("cpu"), "recovery")
    (script,) = spec["args"]
    script = script.replace("/recovery", str(tmp_path))
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "new").mkdir()  # what an interrupted attempt leaves
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
    assert {path.name for path in tmp_path.iterdir()} == {"lost+found", "store"}
    assert container(manifests.built("cpu"), "dataflow")["args"][:2] == ["-r", STORE]
