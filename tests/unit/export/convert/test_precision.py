"""What each precision must give; no model, no torch."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from export.convert import parity, precision
from export.convert.precision import Agreement, Precision, Vectors
from export.errors import ModelError, ParityError

EXACT = Agreement(0.0, 1.0, 1.0, 1.0)


def unit(rows: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(rows, 32)).astype(np.float32)
    divided: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return divided


@pytest.mark.parametrize(
    ("which", "found", "message"),
    [
        ("fp32", Agreement(2e-5, 1.0, 1.0), r"fp32 differs .* by 2e-05 \(allowed 1e-05\)"),
        ("fp16", Agreement(1e-3, 0.99999, 0.9998), r"fp16 differs .* lowest cosine of 0\.999800"),
        ("bf16", Agreement(1e-2, 0.99989, 0.9990), r"bf16 differs .* mean cosine of 0\.999890"),
        ("int8", Agreement(1e-1, 0.979, 0.9, 1.0), r"int8 differs .* mean cosine of 0\.979000"),
        (
            "int8",
            Agreement(1e-1, 0.990, 0.9, 0.94),
            r"keeps 94\.0% of the most anomalous 1% .*at least 95%\)",
        ),
        ("int8", Agreement(1e-1, 0.990, 0.9), r"keeps an unknown share of the most anomalous 1%"),
    ],
)
def test_what_does_not_pass_is_refused_by_what_was_found(
    which: Precision, found: Agreement, message: str
) -> None:
    precision.require_agreement(which, EXACT)
    with pytest.raises(ParityError, match=message) as refused:
        precision.require_agreement(which, found)
    assert str(refused.value).endswith("nothing was installed")


def test_agreement_of_what_is_equal_almost_equal_and_broken() -> None:
    expected = unit(len(parity.DIFFICULT_TEXTS))
    where = {text: i for i, text in enumerate(parity.DIFFICULT_TEXTS)}

    def embed(texts: Sequence[str]) -> Vectors:
        return given[[where[text] for text in texts]]

    given = expected
    assert precision.agreement(expected, embed).difference == 0
    given = expected + 0.01 * unit(len(expected), seed=1)
    found = precision.agreement(expected, embed)
    assert 0.999 < found.cosine_min < found.cosine < 1
    given = expected.copy()
    given[3, 3] = np.nan
    assert precision.agreement(expected, embed).cosine == 0


def test_anomalies_are_kept_or_not() -> None:
    # 3,000 in one place, and 30 that are further and further from it and from each other.
    crowd = np.ones((3000, 32), np.float32) + unit(3000) * 0.1
    crowd[:30] = unit(30, seed=2) * 8
    assert precision.anomalies_kept([crowd], [crowd]) == 1
    moved = crowd.copy()
    moved[:3] = crowd[40:43]
    assert precision.anomalies_kept([crowd], [moved]) == 27 / 30
    assert precision.anomalies_kept([crowd, crowd], [crowd, moved]) == 57 / 60
    assert precision.anomalies_kept([crowd[:1900]], [crowd[:1900]]) is None
    assert precision.anomalies_kept([], []) is None


def test_real_texts_are_distinct_and_by_file(tmp_path: Path) -> None:
    lines = [{"text": "a"}, {"text": "b"}, {"text": "a"}, {"other": "c"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert precision.real_texts(tmp_path) == {"x.jsonl": ["a", "b"]}
    assert precision.real_texts(tmp_path / "none") == {}


@pytest.mark.parametrize("which", ["bf16", "int8"])
def test_precisions_of_cpus_are_refused_for_a_gpu(which: Precision, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="use fp16 on a GPU"):
        precision.require_available(which, "gpu", tmp_path)
