"""The embedder is opened, asked and closed."""

from collections.abc import Sequence

import pytest

from dataflow.clock import EPOCH
from dataflow.doctor import Case, Finding, device, embedder
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.errors import ContractError, OutageError
from dataflow.settings import Embed, Settings


def case(kind: str) -> Case:
    embed = Embed.model_validate({"kind": kind, "repository": "/dev/null"})
    return Case(Settings(embed=embed), None, False, EPOCH)


def test_an_embedder_that_answers_is_ok() -> None:
    (finding,) = embedder.findings(case("null"))
    assert (finding.check, finding.status) == ("embedder", "ok")
    assert finding.message.startswith("null: null version 1, 384 dimensions; one text took ")


class Broken(NullEmbedder):
    """Fails at each text."""

    closed = False

    def embed(self, texts: Sequence[str]) -> Embedded:
        raise ContractError("it is broken")

    def close(self) -> None:
        self.closed = True


def test_an_embedder_that_fails_is_closed_and_its_model_is_still_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = Broken()
    monkeypatch.setattr(embedder, "open_embedder", lambda _: broken)
    monkeypatch.setattr(device, "findings", lambda options, served: Finding("device", "ok", served))
    answer, on, model = embedder.findings(case("triton"))
    assert (answer.status, answer.message) == ("wrong", "it is broken")
    assert (on.check, on.message) == ("device", "1")
    assert (model.check, model.status) == ("model", "skipped")
    assert "no model here" in model.message
    assert broken.closed


@pytest.mark.parametrize(
    ("message", "status"),
    [("connection refused", "unreachable"), ("handshake failed: certificate has expired", "wrong")],
)
def test_a_server_that_does_not_answer_is_unreachable_unless_tls_fails(
    monkeypatch: pytest.MonkeyPatch, message: str, status: str
) -> None:
    def opened(_: Embed) -> None:
        raise OutageError(message)

    monkeypatch.setattr(embedder, "open_embedder", opened)
    answer, model = embedder.findings(case("triton"))
    assert answer.status == status
    assert answer.message.startswith(message)
    assert ("DRIFTLINE_EMBED__TLS_CA" in answer.message) == (status == "wrong")
    assert model.status == "skipped"
