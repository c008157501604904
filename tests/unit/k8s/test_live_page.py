"""The live page as a component: its arguments are those of the command, and only what it needs is open."""

import kubernetes_validate
import pytest

from dashboard.__main__ import _parser
from tests.support import manifests
from tests.support.manifests import Object, loaded, of, one

NAME = "driftline-page"


@pytest.fixture
def objects() -> list[Object]:
    return manifests.built("gpu", "live-page")


@pytest.fixture
def pod(objects: list[Object]) -> Object:
    spec: Object = one(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


def test_valid_for_kubernetes(objects: list[Object]) -> None:
    for each in objects:
        kubernetes_validate.validate(each, "1.29", strict=True)


def test_it_reads_what_the_dataflow_writes(objects: list[Object], pod: Object) -> None:
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", "dashboard"]
    arguments = _parser().parse_args(container["args"])
    sinks = loaded(objects).sink
    assert arguments.uri == [*sinks.scores, *sinks.late, *sinks.dead_letters]
    assert {"driftline-settings"} == {
        source["configMapRef"]["name"].rpartition("-")[0] for source in container["envFrom"]
    }
    (url,) = arguments.metrics
    service = next(each for each in of(objects, "Service") if each["metadata"]["name"] == "driftline")
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert url == f"http://driftline:{ports['metrics']}/metrics"


def test_it_asks_for_a_token_and_nobody_may_call_it(objects: list[Object], pod: Object) -> None:
    (container,) = pod["containers"]
    arguments = _parser().parse_args(container["args"])
    assert [port["containerPort"] for port in container["ports"]] == [arguments.port]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    (secret,) = (volume for volume in pod["volumes"] if "secret" in volume)
    (item,) = secret["secret"]["items"]
    assert str(arguments.token_file) == f"{mounts[secret['name']]}/{item['path']}"
    assert sorted(mounts) == sorted(volume["name"] for volume in pod["volumes"])
    policies = {each["metadata"]["name"]: each["spec"] for each in of(objects, "NetworkPolicy")}
    assert "Ingress" in policies[NAME]["policyTypes"]
    assert "ingress" not in policies[NAME]
    callers = [peer for rule in policies["driftline"]["ingress"] for peer in rule["from"]]
    assert {"podSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}}} in callers
