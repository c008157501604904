"""When a served version is no longer what it was."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dataflow import settings
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.embed.repository import Layout
from export.convert.parity import DIFFICULT_TEXTS
from export.errors import FailedError
from export.manage import verify
from tests.support.models import installed


class Off(NullEmbedder):
    """Its vectors differ from those of the null embedder by ``error`` in every component."""

    def __init__(self, error: float) -> None:
        super().__init__()
        self._error = np.float32(error)

    def embed(self, texts: Sequence[str]) -> Embedded:
        return Embedded(super().embed(texts).vectors + self._error, self.version)


def reference() -> npt.NDArray[np.float32]:
    return NullEmbedder().embed(DIFFICULT_TEXTS).vectors


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = installed(tmp_path)
    with layout.reference.open("wb") as file:
        np.save(file, reference())
    return layout


def serve(monkeypatch: pytest.MonkeyPatch, embedder: NullEmbedder) -> list[str | None]:
    asked: list[str | None] = []

    def connect(options: settings.Embed) -> NullEmbedder:
        asked.append(options.version)
        return embedder

    monkeypatch.setattr(verify, "connect", connect)
    return asked


def test_a_version_that_answers_as_before_passes(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = serve(monkeypatch, NullEmbedder())
    verdict = verify.require_unchanged(settings.Embed(), layout)
    assert (verdict.version, verdict.precision, verdict.difference, verdict.ok) == ("1", "fp32", 0.0, True)
    assert asked == ["1", "1"]
    assert verdict.half is None


def test_a_version_that_answers_otherwise_is_refused(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, Off(2e-5))
    with pytest.raises(FailedError, match=r"version 1 \(fp32\) differs from its reference by 2e-05, mean"):
        verify.require_unchanged(settings.Embed(), layout)


@pytest.mark.parametrize(("error", "ok"), [(0.0, True), (1e-3, False)])
def test_an_output_of_float16_that_is_more_than_rounded_is_refused(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, error: float, ok: bool
) -> None:
    class Rounded(NullEmbedder):
        def embed(self, texts: Sequence[str]) -> Embedded:
            vectors = super().embed(texts).vectors.astype(np.float16).astype(np.float32)
            return Embedded((vectors + np.float32(error)).astype(np.float16).astype(np.float32), "1")

    def connect(options: settings.Embed) -> NullEmbedder:
        return Rounded() if options.store == "fp16" else NullEmbedder()

    monkeypatch.setattr(verify, "connect", connect)
    verdict = verify.verify(settings.Embed(), layout, reference())
    assert verdict.half is not None
    assert verdict.ok is ok


def test_a_version_of_another_dimension_is_refused(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, NullEmbedder(32))
    with pytest.raises(FailedError, match="the server returns 32 dimensions, the reference has 384"):
        verify.require_unchanged(settings.Embed(), layout)


def test_a_reference_that_is_damaged_or_of_other_texts_is_refused(layout: Layout) -> None:
    np.testing.assert_array_equal(verify.stored_reference(layout), reference())
    with layout.reference.open("wb") as file:
        np.save(file, reference()[1:])
    with pytest.raises(FailedError, match="belongs to another export"):
        verify.stored_reference(layout)
    layout.reference.write_bytes(b"")
    with pytest.raises(FailedError, match="cannot be read"):
        verify.stored_reference(layout)
