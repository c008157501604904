"""Which sentence-transformers folders the graph can hold."""

from pathlib import Path

import pytest

from export.convert import architecture
from export.errors import ModelError
from tests.support.models import model_folder


@pytest.mark.parametrize(
    ("modules", "pooling", "expected"),
    [
        (["Transformer", "Pooling", "Normalize"], {"pooling_mode_mean_tokens": True}, ("mean", True, 0)),
        (["Transformer", "Pooling"], {"pooling_mode_cls_token": True, "x": True}, ("cls", False, 0)),
        (["Transformer", "Pooling"], {"pooling_mode_max_tokens": True}, ("max", False, 0)),
        (["Transformer", "Pooling"], {"pooling_mode": "cls"}, ("cls", False, 0)),
        (["Transformer", "Pooling", "Dense"], {"pooling_mode": "max"}, ("max", False, 1)),
        (
            ["Transformer", "Pooling", "Dense", "Dense", "Normalize"],
            {"pooling_mode": "cls"},
            ("cls", True, 2),
        ),
    ],
)
def test_architectures_that_the_graph_can_hold(
    tmp_path: Path, modules: list[str], pooling: dict[str, object], expected: tuple[str, bool, int]
) -> None:
    read = architecture.read(model_folder(tmp_path / "m", modules, pooling))
    assert (read.pooling, read.normalize, read.dense) == expected


@pytest.mark.parametrize(
    ("modules", "pooling", "message"),
    [
        (["Transformer", "Pooling", "Normalize", "Dense"], {}, "Pooling, Normalize, Dense; supported are"),
        (["Transformer", "Dense", "Pooling"], {}, "modules are Transformer, Dense, Pooling; supported are"),
        (["Transformer"], {}, "modules are Transformer; supported are"),
        (
            ["Transformer", "Pooling", "Dense"],
            {"module_input_name": "token_embeddings"},
            "its Dense works on token_embeddings; supported is sentence_embedding",
        ),
        (["WordEmbeddings", "Pooling"], {}, "modules are WordEmbeddings, Pooling"),
        (["Transformer", "Pooling"], {"pooling_mode_weightedmean_tokens": True}, "pooling is weightedmean"),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            "pooling is mean and cls; supported is one of",
        ),
    ],
)
def test_other_architectures_are_refused_by_name(
    tmp_path: Path, modules: list[str], pooling: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        architecture.read(model_folder(tmp_path / "m", modules, pooling))
