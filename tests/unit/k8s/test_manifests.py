"""The manifests are valid and consistent: each reference resolves, and no container is privileged."""

import re

import kubernetes_validate
import pytest
import yaml

from tests.support import manifests
from tests.support.manifests import OVERLAYS, Object, container, containers, of, one, pod
from tests.support.paths import ROOT

#: The first version with sidecar containers by default, and the newest version whose schemas are installed.
VERSIONS = ("1.29", "1.37")
VARIANTS = [(overlay, *components) for overlay in OVERLAYS for components in ((), manifests.COMPONENTS)]


@pytest.fixture(params=VARIANTS, ids=" ".join)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return manifests.built(*request.param)


@pytest.mark.parametrize("version", VERSIONS)
def test_valid_for_kubernetes(objects: list[Object], version: str) -> None:
    for each in objects:
        if each["kind"] not in (
            "ServiceMonitor",
            "PrometheusRule",
        ):  # custom resources; their schemas are not installed
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_validation_can_fail(version: str) -> None:
    service = one(manifests.built("cpu"), "Service")
    wrong = service | {"spec": service["spec"] | {"clusterIp": "None"}}
    with pytest.raises(kubernetes_validate.ValidationError, match="clusterIp"):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_plain_apply_needs_no_custom_resources() -> None:
    for overlay in OVERLAYS:
        for each in manifests.built(overlay):
            group = each["apiVersion"].partition("/")[0]
            assert group in ("v1", "apps", "policy", "networking.k8s.io")


def test_every_mount_is_declared_and_every_volume_mounted(objects: list[Object]) -> None:
    claims = one(objects, "StatefulSet")["spec"]["volumeClaimTemplates"]
    declared = [each["name"] for each in pod(objects)["volumes"]] + [c["metadata"]["name"] for c in claims]
    mounted = [mount["name"] for each in containers(objects) for mount in each["volumeMounts"]]
    assert sorted(declared) == sorted(set(mounted))
    for each in containers(objects):
        paths = [mount["mountPath"] for mount in each["volumeMounts"]]
        assert len(paths) == len(set(paths)), each["name"]


def test_every_config_map_and_secret_exists_and_is_used(objects: list[Object]) -> None:
    there = {
        each["metadata"]["name"]: set(each["data"])
        for each in of(objects, "ConfigMap")
        if "grafana_dashboard" not in each["metadata"].get("labels", {})
    }
    secret = manifests.secret()
    keys = {secret["metadata"]["name"]: set(secret["stringData"])}
    used: set[str] = set()
    for volume in pod(objects)["volumes"]:
        if "configMap" in volume:
            used.add(volume["configMap"]["name"])
        if "secret" in volume:
            items = {item["key"] for item in volume["secret"]["items"]}
            assert items <= keys[volume["secret"]["secretName"]]
    for each in containers(objects):
        for source in each.get("envFrom", ()):
            used.add(source["configMapRef"]["name"])
        for variable in each.get("env", ()):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in keys[reference["name"]]
    assert used == set(there)


def test_every_named_file_is_mounted(objects: list[Object]) -> None:
    dataflow = container(objects, "dataflow")
    maps = {each["metadata"]["name"]: list(each["data"]) for each in of(objects, "ConfigMap")}
    held: dict[str, list[str]] = {}
    for volume in pod(objects)["volumes"]:
        if "configMap" in volume:
            held[volume["name"]] = maps[volume["configMap"]["name"]]
        if "secret" in volume:
            held[volume["name"]] = [item["path"] for item in volume["secret"]["items"]]
    files = {f"{m['mountPath']}/{name}" for m in dataflow["volumeMounts"] for name in held.get(m["name"], ())}
    settings = manifests.config_map(objects, "driftline-settings")
    named = [
        dataflow["livenessProbe"]["exec"]["command"][1],
        *(each["value"] for each in dataflow["env"] if each["name"] == "BYTEWAX_HOSTFILE_PATH"),
        *(value for name, value in settings.items() if name.endswith("_LOCATION")),
    ]
    assert len(named) >= 2
    assert set(named) <= files


def test_every_selector_matches_the_pods_and_only_them(objects: list[Object]) -> None:
    stateful_set = one(objects, "StatefulSet")
    labels = stateful_set["spec"]["template"]["metadata"]["labels"].items()
    policy = one(objects, "NetworkPolicy")["spec"]
    peers = [peer for rule in policy["ingress"] for peer in rule["from"]]
    peers += [peer for rule in policy["egress"] for peer in rule["to"]]
    selectors = [
        stateful_set["spec"]["selector"]["matchLabels"],
        one(objects, "Service")["spec"]["selector"],
        one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
        *(peer["podSelector"]["matchLabels"] for peer in peers if "namespaceSelector" not in peer),
    ]
    assert len(selectors) == 6
    for selector in selectors:
        assert selector
        assert selector.items() <= labels


def test_every_port_belongs_to_a_container(objects: list[Object]) -> None:
    ports = {
        port["name"]: port["containerPort"] for each in containers(objects) for port in each.get("ports", ())
    }
    service = one(objects, "Service")["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == ports
    assert {port["name"]: port["targetPort"] for port in service["ports"]} == ports
    for each in containers(objects):
        own = {port["name"] for port in each.get("ports", ())}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe := each.get(kind, {}).get("httpGet"):
                assert probe["port"] in own
    open_ports = {
        p["port"] for rule in one(objects, "NetworkPolicy")["spec"]["ingress"] for p in rule["ports"]
    }
    assert open_ports == set(ports.values())
    for monitor in of(objects, "ServiceMonitor"):
        assert {each["port"] for each in monitor["spec"]["endpoints"]} == set(ports) - {"cluster"}
        labels = one(objects, "Service")["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_service_gives_the_pods_their_names(objects: list[Object]) -> None:
    service = one(objects, "Service")
    assert one(objects, "StatefulSet")["spec"]["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert pod(objects)["serviceAccountName"] == one(objects, "ServiceAccount")["metadata"]["name"]


def test_the_containers_start_in_the_order_of_their_needs(objects: list[Object]) -> None:
    assert [each["name"] for each in containers(objects)] == [
        "recovery",
        "model",
        "triton",
        "doctor",
        "dataflow",
    ]
    sidecar = container(objects, "triton")
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["exec"]["command"][-1].endswith("/v2/health/ready")
    assert not any("restartPolicy" in each for each in containers(objects) if each is not sidecar)


def test_the_doctor_checks_what_the_dataflow_gets(objects: list[Object]) -> None:
    doctor, dataflow = container(objects, "doctor"), container(objects, "dataflow")
    assert doctor["image"] == dataflow["image"]
    assert doctor["envFrom"] == dataflow["envFrom"]
    for each in doctor["env"]:
        assert each in dataflow["env"]
    secrets = [each for each in dataflow["env"] if "secretKeyRef" in each.get("valueFrom", {})]
    assert [each for each in secrets if each not in doctor["env"]] == []
    for mount in doctor["volumeMounts"]:
        assert mount in dataflow["volumeMounts"]
    (store,) = manifests.flags(doctor["args"])["--recovery"]
    assert store == dataflow["args"][dataflow["args"].index("-r") + 1]


def test_no_container_is_privileged(objects: list[Object]) -> None:
    spec = pod(objects)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["automountServiceAccountToken"] is False
    assert one(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 10_000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for volume in spec["volumes"]:
        assert not {"hostPath", "nfs"} & set(volume)
        assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"]
    for each in containers(objects):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }, each["name"]
        assert {"cpu", "memory"} <= set(each["resources"]["requests"]), each["name"]
        assert "memory" in each["resources"]["limits"], each["name"]
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", each["image"]), each["image"]


def test_no_secret_is_in_the_manifests(objects: list[Object]) -> None:
    assert not of(objects, "Secret")
    assert set(manifests.secret()["stringData"].values()) == {"CHANGE-ME"}
    for each in of(objects, "ConfigMap"):
        assert not [name for name in each["data"] if "PASSWORD" in name]


def test_shared_memory_lies_in_memory_and_fits_the_limit(objects: list[Object]) -> None:
    (shm,) = (each for each in pod(objects)["volumes"] if each["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    triton = container(objects, "triton")
    assert {"name": "shm", "mountPath": "/dev/shm"} in triton["volumeMounts"]
    assert int(triton["resources"]["limits"]["memory"].removesuffix("Gi")) >= 3


def test_the_references_fit_the_memory_beside_windows(objects: list[Object]) -> None:
    # What docs/guides/deployment.md says: of the references, the process and the cache; and some windows.
    needed = 1.5 * manifests.loaded(objects).score.reference_bytes + 0.25e9 + 0.3e9 + 1e9
    limit = container(objects, "dataflow")["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Gi")) << 30 > needed


def test_only_the_gpu_overlay_requests_a_gpu() -> None:
    for overlay in OVERLAYS:
        objects = manifests.built(overlay)
        asking = [
            each["name"] for each in containers(objects) if "nvidia.com/gpu" in each["resources"]["limits"]
        ]
        assert asking == (["triton"] if overlay == "gpu" else [])


def test_the_pod_for_restoring_has_the_volume_and_image_of_the_dataflow() -> None:
    helper = yaml.safe_load((ROOT / "k8s" / "tools" / "volume.yaml").read_text())
    for version in VERSIONS:
        kubernetes_validate.validate(helper, version, strict=True)
    objects = manifests.built("cpu")
    dataflow, (spec,) = container(objects, "dataflow"), helper["spec"]["containers"]
    (volume,) = helper["spec"]["volumes"]
    name = one(objects, "StatefulSet")["metadata"]["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == f"recovery-{name}-0"
    assert spec["volumeMounts"][0] in dataflow["volumeMounts"]
    assert spec["image"] == dataflow["image"]
    assert spec["securityContext"] == dataflow["securityContext"]
    assert helper["metadata"]["labels"] != one(objects, "Service")["spec"]["selector"]


def test_all_components_are_known() -> None:
    assert {path.name for path in (ROOT / "k8s" / "components").iterdir()} == manifests.ALL_COMPONENTS
