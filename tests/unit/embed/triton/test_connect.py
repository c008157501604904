"""Connecting: what the start demands of a server and of its model."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from dataflow.embed.triton.connect import connect
from dataflow.errors import ContractError, OutageError
from dataflow.settings import Embed
from tests.support.kserve import TEXTS, Code, Connect, Server, Time, expected


def test_the_newest_version_is_pinned_by_number(server: Server, connected: Connect) -> None:
    embedder = connected().embedder
    embedder.embed(["a"])
    assert (embedder.model, embedder.version, embedder.dim) == ("sbert", "10", 4)
    assert server.asked_versions == {"10"}


def test_an_unknown_model_is_refused_at_the_start(connected: Connect) -> None:
    with pytest.raises(ContractError, match=r"no usable model 'other': .*DRIFTLINE_EMBED__MODEL"):
        connected(model="other")


def test_another_dimension_is_refused_at_the_start(connected: Connect) -> None:
    with pytest.raises(ContractError, match="gives 4 dimensions, DRIFTLINE_EMBED__DIM asks for 768"):
        connected(dim=768)


def test_a_model_without_versions_is_refused_at_the_start(server: Server, connected: Connect) -> None:
    server.versions = ()
    with pytest.raises(ContractError, match="has no version with a number"):
        connected()


def test_other_tensors_are_refused_at_the_start(server: Server, connected: Connect) -> None:
    server.datatype = "FP16"
    with pytest.raises(ContractError, match=r"needed are TEXT .* and EMBEDDING"):
        connected()


OLD, NEW = "0dd" + "a" * 61, "4e3" + "b" * 61


def test_a_model_that_says_what_it_is_is_known_and_pinned_by_it(server: Server, connected: Connect) -> None:
    server.sha256 = OLD
    embedder = connected().embedder
    assert embedder.version == embedder.embed(["a"]).version == "10+0ddaaaaaaaaa"
    assert connected(version="9+0dda").embedder.version == "9+0ddaaaaaaaaa"
    with pytest.raises(ContractError, match=r"version 9 at .* is small fp32 .*VERSION asks for 4e3b"):
        connected(version="9+4e3b")
    server.sha256 = ""
    with pytest.raises(ContractError, match="does not say which model it is"):
        connected(version="9+0dda")


def test_another_model_than_the_repository_holds_is_refused_at_the_start(
    server: Server, connected: Connect, tmp_path: Path
) -> None:
    spec = tmp_path / "sbert_encoder" / "10" / "spec.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"name": "small", "precision": "fp32", "dim": 4, "sha256": NEW}))
    server.sha256 = NEW
    assert connected(repository=tmp_path).embedder.version == "10+4e3bbbbbbbbb"
    assert connected(repository=tmp_path, version="9").embedder.version == "9+4e3bbbbbbbbb"
    server.sha256 = OLD
    with pytest.raises(ContractError, match=r"of sha256 0ddaaaaaaaaa, embed.repository holds .*4e3bbbbbbbbb"):
        connected(repository=tmp_path)


def test_a_model_exported_anew_under_its_number_is_not_taken_for_the_old_one(
    server: Server, connected: Connect
) -> None:
    server.sha256 = OLD
    pinned = connected(max_request_rows=10).embedder
    following = connected(max_request_rows=10, follow=True, follow_interval=timedelta(hours=1))
    # In the midst of the requests of one call.
    server.fault = lambda _: setattr(server, "sha256", NEW) if len(server.requests) > 3 else None
    with pytest.raises(ContractError, match=r"sbert version 10\+0ddaaaaaaaaa refused .*it is now another"):
        pinned.embed(TEXTS)
    answer = following.embedder.embed(TEXTS)
    assert answer.version == following.embedder.version == "10+4e3bbbbbbbbb"
    assert answer.vectors.tolist() == expected(TEXTS)
    assert following.logged == ["sbert: version 10+4e3bbbbbbbbb from now on, it was 10+0ddaaaaaaaaa"]


def test_the_start_waits_for_a_model_that_is_not_ready_yet(server: Server, connected: Connect) -> None:
    failures = iter([(Code.UNAVAILABLE, "Request for unknown model: 'sbert_encoder'")] * 3)
    server.fault = lambda _: next(failures, None)
    it = connected()
    assert len(it.time.slept) == 3
    assert len(it.logged) == 1
    assert it.logged[0].startswith(f"waiting for Triton at {server.url}: unavailable")


def test_an_identity_without_outputs_is_asked_for_again(server: Server, connected: Connect) -> None:
    server.sha256, server.empty = OLD, 2
    started = connected()
    assert server.empty == 0
    assert started.embedder.version == "10+0ddaaaaaaaaa"
    assert any("unavailable: Triton answered without any output" in line for line in started.logged)


def test_a_change_of_the_version_waits_for_its_identity(server: Server, connected: Connect) -> None:
    server.sha256 = OLD
    it = connected(follow=True, follow_interval=timedelta(seconds=1))
    server.sha256, server.empty = NEW, 1
    it.time.now += 1
    answer = it.embedder.embed(["a"])
    assert server.empty == 0
    assert answer.version == it.embedder.version == "10+4e3bbbbbbbbb"


def test_no_server_is_one_line_that_says_what_to_do() -> None:
    time = Time()
    options = Embed(url="127.0.0.1:1", startup_timeout=timedelta(seconds=3))
    with pytest.raises(
        OutageError,
        match=r"Triton at 127.0.0.1:1 does not answer \(connection refused\); "
        "start it with `make sidecar` or set DRIFTLINE_EMBED__URL",
    ):
        connect(options, sleep=time.sleep, clock=time.clock, log=lambda _: None)
    assert time.now == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("sha256", ["", "ab" * 32])
@pytest.mark.parametrize("store", ["fp32", "fp16"])
def test_embeddings_of_half_the_bytes_come_as_such_if_the_model_has_them(
    server: Server, connected: Connect, store: str, sha256: str
) -> None:
    """The rest of the flow rounds them anyway, and rounding twice changes nothing."""
    server.sha256, server.half = sha256, True
    vectors = connected(store=store).embedder.embed(TEXTS).vectors
    full = np.array(expected(TEXTS), np.float32)
    wanted = full.astype(np.float16).astype(np.float32) if store == "fp16" else full
    assert vectors.dtype == np.float32
    assert vectors.tobytes() == wanted.tobytes()
    server.half = False
    old = connected(store=store).embedder.embed(TEXTS).vectors
    assert old.tobytes() == full.tobytes()
