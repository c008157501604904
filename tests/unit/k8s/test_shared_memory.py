"""With the component, the dataflow and Triton of a pod share memory, and the dataflow has Triton's key."""

from pathlib import Path

import kubernetes_validate
import pytest

from tests.support.manifests import OVERLAYS, Object, built, container, containers, loaded, pod


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return built(request.param, "shared-memory")


def test_valid_for_kubernetes(objects: list[Object]) -> None:
    for each in objects:
        kubernetes_validate.validate(each, "1.29", strict=True)


def test_what_calls_triton_has_its_memory_and_its_key(objects: list[Object]) -> None:
    embed, triton = loaded(objects).embed, container(objects, "triton")
    assert embed.transport == "auto"
    (key,) = [each["value"] for each in triton["env"] if each["name"] == "TRITON_KEY_FILE"]
    assert str(embed.key_file) == key
    (memory,) = [each for each in triton["volumeMounts"] if each["mountPath"] == "/dev/shm"]
    for name in ("dataflow", "doctor"):
        mounts = container(objects, name)["volumeMounts"]
        assert memory in mounts
        (folder,) = [each for each in mounts if each["mountPath"] == str(Path(key).parent)]
        assert folder == {"name": "triton-key", "mountPath": "/run/triton", "readOnly": True}
    # Triton opens the file that the dataflow makes, and the dataflow the key.
    for each in ("dataflow", "doctor", "triton"):
        assert "runAsUser" not in container(objects, each)["securityContext"]
    assert pod(objects)["securityContext"]["runAsUser"]


def test_the_embeddings_have_room(objects: list[Object]) -> None:
    embed = loaded(objects).embed
    assert embed.dim
    needed = embed.max_in_flight * embed.max_request_rows * embed.dim * 4
    (volume,) = [each for each in pod(objects)["volumes"] if each["name"] == "shm"]
    assert volume["emptyDir"]["medium"] == "Memory"
    size = int(volume["emptyDir"]["sizeLimit"].removesuffix("Gi")) << 30
    # Beside what Triton's Python backend takes, which is measured: 86 MB.
    assert needed + 86e6 < size / 2


def test_the_containers_keep_their_order_and_nothing_else_changes(
    request: pytest.FixtureRequest, objects: list[Object]
) -> None:
    overlay = request.node.callspec.params["objects"]
    names = [each["name"] for each in containers(objects)]
    assert names == [each["name"] for each in containers(built(overlay))]
    for name in ("recovery", "model", "triton"):
        assert container(objects, name) == container(built(overlay), name)
