"""Dataflows can share pods of Triton: each reference resolves, and the sidecar leaves nothing behind."""

import json
from typing import Any

import kubernetes_validate
import pytest

from export.__main__ import _parser
from tests.support import manifests
from tests.support.manifests import Object, container, flags, loaded, of, one

#: An overlay, and the components that are added to it.
VARIANTS = [("cpu", "shared-triton"), ("cpu", "shared-triton", "triton-autoscaling"), ("gpu-shared",)]
CUSTOM = ("ScaledObject", "ServiceMonitor")


@pytest.fixture(params=VARIANTS, ids=" ".join)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return manifests.built(*request.param)


def named(objects: list[Object], kind: str, name: str) -> Any:
    (found,) = (each for each in of(objects, kind) if each["metadata"]["name"] == name)
    return found["spec"]


def triton_pod(objects: list[Object]) -> Any:
    return one(objects, "Deployment")["spec"]["template"]["spec"]


def mounts(pod: Any) -> set[str]:
    return {
        mount["name"]
        for each in [*pod["initContainers"], *pod["containers"]]
        for mount in each["volumeMounts"]
    }


def test_valid_for_kubernetes(objects: list[Object]) -> None:
    for each in objects:
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, "1.29", strict=True)


def test_the_dataflow_calls_the_service_and_both_policies_allow_it(objects: list[Object]) -> None:
    name, _, port = loaded(objects).embed.url.partition(":")
    (triton,) = triton_pod(objects)["containers"]
    service, labels = (
        named(objects, "Service", name),
        one(objects, "Deployment")["spec"]["template"]["metadata"],
    )
    assert service["selector"] == labels["labels"]
    assert {each["port"] for each in service["ports"]} == {int(port), 8002}
    assert flags(triton["args"])["--grpc-port"] == [port]
    assert flags(triton["args"])["--grpc-address"] == ["0.0.0.0"]
    # Only a headless service has the address of each pod.
    assert service["clusterIP"] == "None"
    dataflow = one(objects, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    into, out = (
        named(objects, "NetworkPolicy", "driftline-triton"),
        named(objects, "NetworkPolicy", "driftline"),
    )
    assert into["podSelector"]["matchLabels"] == labels["labels"]
    assert {"podSelector": {"matchLabels": dataflow}} in into["ingress"][0]["from"]
    assert into["ingress"][0]["ports"] == [{"port": int(port)}]
    assert {"podSelector": {"matchLabels": labels["labels"]}} in out["egress"][-1]["to"]
    assert out["egress"][-1]["ports"] == [{"port": int(port)}]


def test_each_mount_has_a_volume_and_each_volume_a_mount(objects: list[Object]) -> None:
    stateful_set, pod = one(objects, "StatefulSet")["spec"], manifests.pod(objects)
    claims = [claim["metadata"]["name"] for claim in stateful_set["volumeClaimTemplates"]]
    assert sorted([*claims, *(volume["name"] for volume in pod["volumes"])]) == sorted(mounts(pod))
    triton = triton_pod(objects)
    assert sorted(volume["name"] for volume in triton["volumes"]) == sorted(mounts(triton))


def test_the_pod_of_the_dataflow_keeps_nothing_of_the_sidecar(objects: list[Object]) -> None:
    names = [each["name"] for each in manifests.containers(objects)]
    assert names == ["recovery", "doctor", "dataflow"]
    for kind, name in (
        ("StatefulSet", "driftline"),
        ("Service", "driftline"),
        ("NetworkPolicy", "driftline"),
    ):
        text = json.dumps(named(objects, kind, name))
        for rest in ("8002", "triton-", "/models", "nvidia.com"):
            assert rest not in text.replace('"driftline-triton"', ""), (kind, rest)


def test_triton_runs_as_in_the_sidecar(objects: list[Object], request: pytest.FixtureRequest) -> None:
    """Only what makes the server reachable and short-lived connections differs."""
    overlay = "gpu" if "gpu" in request.node.callspec.id else "cpu"
    sidecar = manifests.built(overlay)
    own, shared = container(sidecar, "triton"), triton_pod(objects)["containers"][0]
    differ = {"args", "ports", "restartPolicy"}
    assert {k: v for k, v in own.items() if k not in differ} == {
        k: v for k, v in shared.items() if k not in differ
    }
    changed = set(own["args"]) ^ set(shared["args"])
    assert set(flags(sorted(changed))) == {
        "--exit-timeout-secs",
        "--grpc-address",
        "--grpc-max-connection-age",
        "--grpc-max-connection-age-grace",
    }
    (model,) = triton_pod(objects)["initContainers"]
    ours = container(sidecar, "model")
    assert model | {"volumeMounts": []} == ours | {"volumeMounts": []}
    assert _parser().parse_args([*model["command"][3:], *model["args"]]).model in model["image"].replace(
        "minilm-l6", "MiniLM-L6"
    )


def test_keda_changes_the_number_of_pods(objects: list[Object]) -> None:
    deployment = one(objects, "Deployment")
    if not of(objects, "ScaledObject"):
        assert deployment["spec"]["replicas"] >= 2
        return
    assert "replicas" not in deployment["spec"]
    scaled = one(objects, "ScaledObject")["spec"]
    assert scaled["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    query = scaled["triggers"][0]["metadata"]["query"]
    # Prometheus calls the job as the service, whose port the monitor reads.
    assert f'job="{deployment["metadata"]["name"]}"' in query
    (endpoint,) = one(objects, "ServiceMonitor")["spec"]["endpoints"]
    service = named(objects, "Service", deployment["metadata"]["name"])
    assert endpoint["port"] in {port["name"] for port in service["ports"]}
    assert f'model="{loaded(objects).embed.model}"' in query
