"""A real Triton changes the version of its model, or ends, while the whole flow uses the model."""

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as client

from dataflow import settings
from dataflow.embed.cache import CachedEmbedder
from dataflow.embed.triton.connect import connect
from dataflow.errors import ContractError
from export import key
from export.serve.sidecar import Sidecar
from tests.support import faulty_model
from tests.support.flows import PACED, environment, recovery, rows, run, scored, start, write_stream
from tests.support.processes import errors_of, killed, size, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def server(sidecar_venv: Path, tmp_path: Path) -> Iterator[Sidecar]:
    root = faulty_model.repository(tmp_path / "repository", 1)
    with Sidecar(root, venv=sidecar_venv, models=["sbert"], log=tmp_path / "triton.log") as sidecar:
        yield sidecar


def serve(server: Sidecar, *versions: int, dim: int = faulty_model.DIM) -> None:
    faulty_model.repository(server.repository, *versions, dim=dim)
    connection = client.InferenceServerClient(server.url)
    connection.load_model("sbert", {key.METADATA: key.read(server.key_file)})
    connection.close()


def flow_settings(folder: Path, server: Sidecar, **more: str) -> dict[str, str]:
    return environment(
        folder,
        DRIFTLINE_SOURCE__BATCH_ROWS="25",
        DRIFTLINE_EMBED__KIND="triton",
        DRIFTLINE_EMBED__DIM=str(faulty_model.DIM),
        DRIFTLINE_EMBED__URL=server.url,
        DRIFTLINE_SINK__EMBEDDINGS="true",
        **{"PACE": "0.1"} | more,
    )


def versions_in(scores: Path) -> set[str]:
    return {str(row["model_version"]) for row in rows(scores)}


def versions_of_windows(scores: Path) -> dict[tuple[str, str], set[str]]:
    """(key, start) -> the versions of a window. Checks each embedding against its version."""
    found = defaultdict(set)
    for row in rows(scores):
        found[str(row["key"]), str(row["window_start"])].add(str(row["model_version"]))
        expected = faulty_model.vectors([str(row["text"])], int(str(row["model_version"])))[0]
        np.testing.assert_allclose(np.array(row["embedding"], np.float32), expected, atol=1e-6)
    return dict(found)


@contextmanager
def running(env: dict[str, str], *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """A flow that has emitted windows. The flow is killed at the end, if it still runs."""
    scores = Path(env["DRIFTLINE_SINK__SCORES"].removeprefix("file:"))
    before = size(scores)
    with killed(start(env, *flags, flow=PACED)) as (process,):
        wait_until(lambda: size(scores) > before or process.poll() is not None)
        yield process


def test_no_window_mixes_versions_and_no_row_is_lost(server: Sidecar, tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    flags = (*recovery(tmp_path / "recovery"), "-w", "2")
    env = flow_settings(
        tmp_path,
        server,
        DRIFTLINE_EMBED__FOLLOW="true",
        DRIFTLINE_EMBED__FOLLOW_INTERVAL="50ms",
        DRIFTLINE_SCORE__REFERENCE="true",
    )
    scores = tmp_path / "out/scores.jsonl"
    for versions in ([1, 2], [3]):
        with running(env, *flags) as process:
            serve(server, *versions)
            newest = str(versions[-1])
            wait_until(lambda: newest in versions_in(scores) or process.poll() is not None)  # noqa: B023
    serve(server, 4)
    said = run({**env, "PACE": "0"}, *flags, flow=PACED)
    assert scored(scores) == expected
    assert not rows(tmp_path / "out/dead.jsonl")
    made_by = versions_of_windows(scores)
    assert all(len(versions) == 1 for versions in made_by.values())
    assert len(set.union(*made_by.values())) >= 3
    assert "events of references are embedded again by sbert 4" in said


def test_away_for_too_long_the_flow_ends_and_a_restart_goes_on(server: Sidecar, tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    flags = recovery(tmp_path / "recovery")
    env = flow_settings(tmp_path, server, DRIFTLINE_EMBED__MAX_OUTAGE="500ms")
    with running(env, *flags) as process:
        server.kill()
        errors = errors_of(process, 1)
    last = errors.splitlines()[-1]
    assert last.startswith("driftline: Triton at")
    assert "gave no answer for" in last
    assert "Traceback" not in errors
    server.start()
    run(flow_settings(tmp_path, server, PACE="0"), *flags, flow=PACED)
    assert scored(tmp_path / "out/scores.jsonl") == expected
    assert not rows(tmp_path / "out/dead.jsonl")


def open_embedder(server: Sidecar, **options: Any) -> CachedEmbedder:
    return CachedEmbedder(connect(settings.Embed(url=server.url, **options), log=print), 1000)


def test_restarted_with_another_version(server: Sidecar) -> None:
    follow = {"follow": True, "follow_interval": timedelta(hours=1)}
    following, pinned = open_embedder(server, **follow), open_embedder(server)
    texts = ["a", "b"]
    assert following.embed(texts).version == "1"

    server.kill()
    faulty_model.repository(server.repository, 2)
    server.start()
    answer = following.embed([*texts, "c"])
    assert answer.version == following.version == "2"
    np.testing.assert_array_equal(answer.vectors, faulty_model.vectors([*texts, "c"], 2))
    with pytest.raises(ContractError, match=r"sbert version 1 .*not found"):
        pinned.embed(["new"])
    following.close()
    pinned.close()


def test_a_version_that_is_unloaded_is_left_at_once(server: Sidecar) -> None:
    following, pinned = open_embedder(server, follow=True), open_embedder(server, version="1")
    serve(server, 2)
    assert following.embed(["a"]).version == "2"
    with pytest.raises(ContractError, match="sbert version 1 is no longer served, 2 is"):
        pinned.embed(["new"])
    following.close()
    pinned.close()
