"""Embeddings through the shared memory of a real Triton: the same bits as over gRPC, whatever happens."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton_client

from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.triton.connect import connect
from dataflow.embed.triton.region import FOLDER, PREFIX
from dataflow.errors import SettingsError
from export import key
from export.convert.parity import DIFFICULT_TEXTS
from export.serve.sidecar import Sidecar
from tests.support import faulty_model
from tests.support.processes import wait_until
from tests.support.texts import mixture

pytestmark = pytest.mark.integration

#: A recording of the regions that a process makes, for the process that is killed below.
_HOLD = """
import sys
from pathlib import Path
from dataflow import settings
from dataflow.embed.triton.connect import connect
options = settings.Embed(url=sys.argv[1], key_file=Path(sys.argv[2]), transport="shm")
embedder = connect(options)
print(len(embedder.embed(["a text"]).vectors), flush=True)
sys.stdin.read()
"""


def regions() -> set[str]:
    """The regions of this process."""
    return {path.name for path in FOLDER.glob(f"{PREFIX}{os.getpid()}-*")}


@pytest.fixture
def through(embed_settings: settings.Embed, triton: Sidecar) -> settings.Embed:
    """Settings with which embeddings come through shared memory, or the start fails."""
    return embed_settings.model_copy(update={"transport": "shm", "key_file": triton.key_file})


@pytest.fixture(params=["fp32", "fp16"])
def both(
    request: pytest.FixtureRequest, embed_settings: settings.Embed, through: settings.Embed
) -> Iterator[tuple[Embedder, Embedder]]:
    """An embedder over gRPC, and one through shared memory, one text in each request."""
    # In a request with others, the last bits of an embedding depend on the texts beside it.
    alone = {"max_request_rows": 1, "store": request.param, "max_in_flight": 1}
    opened = [connect(options.model_copy(update=alone)) for options in (embed_settings, through)]
    assert len(regions()) == 1
    yield opened[0], opened[1]
    for each in opened:
        each.close()
    assert not regions()


def test_the_bits_are_those_of_grpc(both: tuple[Embedder, Embedder]) -> None:
    texts = [*DIFFICULT_TEXTS, *mixture(40, 3)]
    over_grpc, through = (each.embed(texts).vectors for each in both)
    assert through.tobytes() == over_grpc.tobytes()


def test_many_requests_in_flight_get_their_own_answers(through: settings.Embed) -> None:
    """More than there are slots, so some answers come over gRPC."""
    crowd = {"max_request_rows": 3, "max_in_flight": 4, "min_in_flight": 4}
    embedder = connect(through.model_copy(update=crowd))
    lists = [mixture(n, seed) for seed, n in enumerate([1, 70, 3, 40, 17, 1, 29, 5] * 3)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda texts: embedder.embed(texts).vectors, lists))
    for vectors, texts in zip(found, lists, strict=True):
        expected = embedder.embed(texts).vectors
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
    embedder.close()


def test_after_a_restart_of_the_server_a_new_region_is_registered(
    repository: Path, sidecar_venv: Path, tmp_path: Path
) -> None:
    with Sidecar(repository, venv=sidecar_venv, log=tmp_path / "triton.log") as sidecar:
        options = settings.Embed(
            url=sidecar.url, repository=repository, transport="shm", key_file=sidecar.key_file
        )
        embedder = connect(options)
        before, texts = regions(), mixture(50, 1)
        expected = embedder.embed(texts).vectors
        sidecar.kill()
        sidecar.start()

        def embedded_in_a_new_region() -> bool:
            np.testing.assert_allclose(embedder.embed(texts).vectors, expected, atol=1e-5)
            return len(regions() - before) == 1

        # Answers come over gRPC for a while if the server was not ready at the first attempt.
        wait_until(embedded_in_a_new_region)
        assert not regions() & before
        embedder.close()
    assert not regions()


def test_requests_that_time_out_do_not_spoil_later_answers(sidecar_venv: Path, tmp_path: Path) -> None:
    """The model answers late, into memory that no later request has."""
    models = faulty_model.repository(tmp_path / "models", 1)
    with Sidecar(models, venv=sidecar_venv, log=tmp_path / "triton.log", models=("sbert",)) as sidecar:
        options = settings.Embed(
            url=sidecar.url,
            repository=tmp_path,
            transport="shm",
            key_file=sidecar.key_file,
            request_timeout=timedelta(milliseconds=400),
            max_request_rows=1,
        )
        embedder = connect(options)
        texts = [f"text {number}" for number in range(30)]
        expected = faulty_model.vectors(texts, 1)
        fault = models / "fault"
        with ThreadPoolExecutor(1) as pool:
            fault.write_text("slow 0.6")
            answer = pool.submit(embedder.embed, texts)
            time.sleep(2)
            fault.unlink()
            assert answer.result().vectors.tobytes() == expected.tobytes()
        assert embedder.embed(texts).vectors.tobytes() == expected.tobytes()
        embedder.close()
    assert not regions()


def test_what_a_killed_process_left_is_removed_at_the_next_start(
    triton: Sidecar, through: settings.Embed
) -> None:
    command = [sys.executable, "-c", _HOLD, triton.url, str(triton.key_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "1\n"
        left = [path.name for path in FOLDER.glob(f"{PREFIX}{other.pid}-*")]
        other.kill()
        other.wait()
    assert len(left) == 1
    assert (FOLDER / left[0]).exists()
    connect(through).close()
    assert not (FOLDER / left[0]).exists()


def test_a_process_that_ends_by_itself_leaves_nothing(triton: Sidecar, through: settings.Embed) -> None:
    """Neither a file nor a region at the server, although nobody closes the embedder."""
    command = [sys.executable, "-c", _HOLD, triton.url, str(triton.key_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "1\n"
        (left,) = FOLDER.glob(f"{PREFIX}{other.pid}-*")
        assert other.stdin
        other.stdin.close()
        assert other.wait() == 0
    assert not left.exists()
    client = triton_client.InferenceServerClient(triton.url)
    headers = {key.METADATA: key.read(triton.key_file)}
    assert left.name not in client.get_system_shared_memory_status(headers=headers).regions
    client.close()


def test_without_the_key_auto_says_so_and_takes_grpc(
    embed_settings: settings.Embed, through: settings.Embed, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = connect(embed_settings.model_copy(update={"transport": "auto"}))
    assert embedder.embed(["a text"]).vectors.shape == (1, 384)
    embedder.close()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith(
        "come over gRPC, not through shared memory: the server asks for its key; "
        "set DRIFTLINE_EMBED__KEY_FILE"
    )
    with pytest.raises(SettingsError, match=r"transport=shm is not possible: the server asks for its key"):
        connect(embed_settings.model_copy(update={"transport": "shm"}))
    assert not regions()


def test_a_full_dev_shm_is_an_error_of_one_line(through: settings.Embed) -> None:
    whole = os.statvfs(FOLDER)
    # More than there can ever be is refused at once, and takes no memory from others.
    rows = 2 * whole.f_blocks * whole.f_frsize // (16 * 384 * 4)
    with pytest.raises(SettingsError, match=r"/dev/shm has no room for \d+ MB: No space left on device"):
        connect(through.model_copy(update={"max_request_rows": rows}))
    assert not regions()
