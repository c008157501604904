"""The embedders, and plain clients, with a real Triton."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as client
from tritonclient.utils import InferenceServerException

from dataflow import settings
from dataflow.embed import onnx
from dataflow.embed.base import Embedder
from dataflow.embed.cache import CachedEmbedder
from dataflow.embed.null import NullEmbedder
from dataflow.embed.triton.connect import connect
from dataflow.errors import ContractError, OutageError, SettingsError
from export import key
from export.convert.parity import DIFFICULT_TEXTS, TOLERANCE, difference
from export.serve.sidecar import HOST, Sidecar
from tests.support.paths import Encode
from tests.support.ports import free_port
from tests.support.texts import mixture

pytestmark = pytest.mark.integration


@pytest.fixture(params=["null", "onnx", "triton"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["pinned", "following", "cached", "cached and full"])
def embedder(request: pytest.FixtureRequest, kind: str) -> Iterator[Embedder]:
    opened: Embedder
    follow = {"follow": request.param != "pinned", "follow_interval": timedelta(microseconds=1)}
    if kind == "null":
        opened = NullEmbedder()
    elif kind == "onnx":
        opened = onnx.connect(settings.Embed(repository=request.getfixturevalue("repository"), **follow))
    else:
        opened = connect(request.getfixturevalue("embed_settings").model_copy(update=follow))
    if request.param.startswith("cached"):
        opened = CachedEmbedder(opened, 7 if "full" in request.param else 1000)
    yield opened
    opened.close()
    opened.close()


def test_contract_of_every_embedder(embedder: Embedder) -> None:
    texts = [*DIFFICULT_TEXTS, "twice", "twice"]
    answer = embedder.embed(texts)
    assert answer.vectors.shape == (len(texts), embedder.dim)
    assert answer.vectors.dtype == np.float32
    assert answer.failed == {}
    assert embedder.model
    assert embedder.version == answer.version
    assert re.fullmatch(r"\d+(\+[0-9a-f]{12})?", answer.version)
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, atol=1e-5)
    alone = np.concatenate([embedder.embed([text]).vectors for text in texts])
    np.testing.assert_allclose(alone, answer.vectors, atol=TOLERANCE)
    np.testing.assert_allclose(answer.vectors[-1], answer.vectors[-2], atol=TOLERANCE)
    np.testing.assert_allclose(embedder.embed(texts[::-1]).vectors, answer.vectors[::-1], atol=TOLERANCE)
    assert embedder.embed([]).vectors.shape == (0, embedder.dim)


def test_the_server_gives_what_sentence_transformers_gives(
    embed_settings: settings.Embed, reference: Encode
) -> None:
    embedder = connect(embed_settings)
    worst = difference(reference(DIFFICULT_TEXTS), lambda texts: embedder.embed(texts).vectors)
    embedder.close()
    print(f"largest difference: {worst:.2g}")
    assert worst <= TOLERANCE


def test_concurrent_clients_with_mixed_lengths_get_their_own_answers(embed_settings: settings.Embed) -> None:
    lists = [mixture(n, seed) for seed, n in enumerate([1, 70, 3, 40, 17, 1, 29, 5])]
    single = connect(embed_settings)
    expected = [np.concatenate([single.embed([text]).vectors for text in texts[:12]]) for texts in lists]
    single.close()

    def ask(texts: list[str]) -> Any:
        embedder = connect(embed_settings.model_copy(update={"max_request_rows": 8}))
        vectors = embedder.embed(texts).vectors
        embedder.close()
        return vectors

    with ThreadPoolExecutor(len(lists)) as pool:
        for vectors, alone, texts in zip(pool.map(ask, lists), expected, lists, strict=True):
            assert len(vectors) == len(texts)
            np.testing.assert_allclose(vectors[:12], alone, atol=TOLERANCE)


def infer(sidecar: Sidecar, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://{HOST}:{sidecar.http_port}/v2/models/sbert/infer",
        json.dumps(body).encode(),
        {key.HEADER: key.read(sidecar.key_file)},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def text_input(texts: list[str]) -> dict[str, Any]:
    return {"inputs": [{"name": "TEXT", "datatype": "BYTES", "shape": [len(texts), 1], "data": texts}]}


def test_plain_json_over_http(triton: Sidecar, reference: Encode) -> None:
    texts = ["Disk failure on node 7", "", "ü \U0001f600"]
    answer = infer(triton, text_input(texts))
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("EMBEDDING", "FP32", [3, 384])
    np.testing.assert_allclose(np.reshape(output["data"], (3, 384)), reference(texts), atol=TOLERANCE)


def test_a_request_that_is_not_utf8_fails_alone(triton: Sidecar) -> None:
    connection = client.InferenceServerClient(triton.url)

    def ask(content: bytes) -> Any:
        tensor = client.InferInput("TEXT", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[content]], dtype=object))
        try:
            return connection.infer("sbert", [tensor]).as_numpy("EMBEDDING").shape
        except InferenceServerException as error:
            return f"{error.status()} {error.message()}"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [b"good", b"\xff\xfe", b"fine", b"ok \xc3"] * 4))
    assert answers[0::2] == [(1, 384)] * 8
    assert all("INVALID_ARGUMENT TEXT is not UTF-8" in answer for answer in answers[1::2])
    connection.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "nosuch"}, r"no usable model 'nosuch'.*DRIFTLINE_EMBED__MODEL"),
        ({"version": "7"}, r"no usable model 'sbert'.*version"),
        ({"dim": 768}, r"gives 384 dimensions, DRIFTLINE_EMBED__DIM asks for 768"),
        ({"model": "sbert_encoder"}, r"needed are TEXT"),
    ],
)
def test_another_model_than_agreed(
    embed_settings: settings.Embed, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        connect(embed_settings.model_copy(update={**change, "startup_timeout": timedelta(seconds=60)}))


def test_no_server() -> None:
    options = settings.Embed(url=f"{HOST}:{free_port()}", startup_timeout=timedelta(seconds=2))
    with pytest.raises(OutageError, match=r"does not answer \(connection refused\); start it with"):
        connect(options)


def test_an_http_port_is_not_a_grpc_port(triton: Sidecar) -> None:
    options = settings.Embed(url=f"{HOST}:{triton.http_port}", startup_timeout=timedelta(seconds=1))
    with pytest.raises(OutageError, match="does not answer"):
        connect(options)


def test_in_process_model_that_is_not_there(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds no whole version of sbert; make it with"):
        onnx.connect(settings.Embed(repository=tmp_path))
    with pytest.raises(SettingsError, match=r"model.onnx: no such file; make it with"):
        onnx.connect(settings.Embed(repository=tmp_path, version="1"))
    with pytest.raises(ContractError, match=r"is all-MiniLM-L6-v2 fp32 .*VERSION asks for abcd"):
        onnx.connect(settings.Embed(repository=repository, version="1+abcd"))
    with pytest.raises(ContractError, match=r"gives 384 dimensions, embed.dim asks for 7"):
        onnx.connect(settings.Embed(repository=repository, dim=7))


def test_embeddings_of_float16_are_those_of_float32_rounded(embed_settings: settings.Embed) -> None:
    # In a request with others, the last bits of an embedding depend on the texts beside it.
    alone = {"max_request_rows": 1, "max_in_flight": 1}
    full = connect(embed_settings.model_copy(update=alone))
    half = connect(embed_settings.model_copy(update={**alone, "store": "fp16"}))
    expected = full.embed(DIFFICULT_TEXTS).vectors
    assert half.embed(DIFFICULT_TEXTS).vectors.tobytes() == expected.astype(np.float16).astype("f4").tobytes()
    full.close()
    half.close()
