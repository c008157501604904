"""The comparison with the reference, on texts that break tokenizers, padding, truncation or transport."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from dataflow.embed.null import NullEmbedder
from export.convert import parity, precision
from export.errors import ParityError


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    return NullEmbedder().embed(texts).vectors


def test_equal_embeddings_pass() -> None:
    expected = embed(parity.DIFFICULT_TEXTS)
    assert parity.difference(expected, embed) == 0.0
    precision.require_agreement("fp32", precision.agreement(expected, embed))


@pytest.mark.parametrize("change", [2e-5, np.nan, np.inf])
def test_one_wrong_component_of_one_text_is_refused(change: float) -> None:
    expected = embed(parity.DIFFICULT_TEXTS)
    expected[17, 200] += change
    with pytest.raises(ParityError, match="nothing was installed"):
        precision.require_agreement("fp32", precision.agreement(expected, embed))


@pytest.mark.parametrize("batch", [1, 32])
def test_a_text_that_depends_on_its_batch_is_noticed(batch: int) -> None:
    expected = embed(parity.DIFFICULT_TEXTS)

    def fickle(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return embed(texts) + np.float32(len(texts) == batch)

    assert parity.difference(expected, fickle) == pytest.approx(1)


def test_difficult_texts_are_all_there() -> None:
    texts = parity.DIFFICULT_TEXTS
    assert len(set(texts)) == len(texts)
    assert "" in texts
    assert any(text.isspace() for text in texts)
    assert any("\0" in text for text in texts)
    assert any("\ufffd" in text for text in texts)
    assert any(len(text.split()) > 512 for text in texts)
    assert all(text.encode("utf-8").decode("utf-8") == text for text in texts)
