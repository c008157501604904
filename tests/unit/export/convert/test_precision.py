"""What each precision must give, and the configs that the server gets for it; no model, no torch."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from export.convert import parity, precision
from export.convert.build import Target
from export.convert.precision import Agreement, Precision, Vectors
from export.errors import ModelError, ParityError
from export.repository import configs
from export.repository.configs import Device
from tests.support.specs import SPEC

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
        ("int8", Agreement(1e-1, 0.990, 0.9), r"keeps unknown what of the most anomalous 1%"),
    ],
)
def test_what_does_not_pass_is_refused_by_what_was_found(
    which: Precision, found: Agreement, message: str
) -> None:
    precision.check(which, EXACT)
    with pytest.raises(ParityError, match=message) as refused:
        precision.check(which, found)
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
    assert precision.kept([crowd], [crowd]) == 1
    moved = crowd.copy()
    moved[:3] = crowd[40:43]
    assert precision.kept([crowd], [moved]) == 27 / 30
    assert precision.kept([crowd, crowd], [crowd, moved]) == 57 / 60
    assert precision.kept([crowd[:1900]], [crowd[:1900]]) is None
    assert precision.kept([], []) is None


def test_real_texts_are_distinct_and_by_file(tmp_path: Path) -> None:
    lines = [{"text": "a"}, {"text": "b"}, {"text": "a"}, {"other": "c"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert precision.real_texts(tmp_path) == {"x.jsonl": ["a", "b"]}
    assert precision.real_texts(tmp_path / "none") == {}


@pytest.mark.parametrize("which", ["bf16", "int8"])
def test_precisions_of_cpus_are_refused_for_a_gpu(which: Precision, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="on a GPU take fp16"):
        precision.require(which, "gpu", tmp_path)


def test_what_is_there_is_kept_unless_something_else_is_asked_for() -> None:
    assert Target().is_met(SPEC)
    assert Target("fp32", "auto").is_met(SPEC)
    assert not Target("auto").is_met(SPEC)
    assert not Target("int8").is_met(SPEC)
    assert not Target(device="gpu").is_met(SPEC)


@pytest.mark.parametrize("device", ["auto", "gpu", "tensorrt"])
@pytest.mark.parametrize("which", precision.PRECISIONS)
def test_configs_are_what_triton_parses(device: Device, which: Precision) -> None:
    encoder = text_format.Parse(
        configs.encoder_config(384, which, device, 256), model_config_pb2.ModelConfig()
    )
    model = text_format.Parse(configs.model_config(384, device), model_config_pb2.ModelConfig())
    kind = "KIND_AUTO" if device == "auto" else "KIND_GPU"
    for config, count in ((encoder, 1 if device == "auto" else 2), (model, 2)):
        (group,) = config.instance_group
        assert (group.Kind.Name(group.kind), group.count) == (kind, count)
    for warm_up in encoder.model_warmup:
        assert warm_up.batch_size <= encoder.max_batch_size
        for tensor in warm_up.inputs.values():
            assert warm_up.batch_size * tensor.dims[0] <= configs.MAX_TOKENS["gpu"]
    accelerators = encoder.optimization.execution_accelerators
    cpu = [(each.name, dict(each.parameters)) for each in accelerators.cpu_execution_accelerator]
    assert cpu == ([("openvino", {"precision": "BF16"})] if which == "bf16" and device != "tensorrt" else [])
    assert [each.name for each in accelerators.gpu_execution_accelerator] == ["tensorrt"] * (
        device == "tensorrt"
    )


def test_on_a_gpu_all_lengths_are_warm_and_memory_has_a_bound() -> None:
    encoder = text_format.Parse(
        configs.encoder_config(384, "fp16", "gpu", 256), model_config_pb2.ModelConfig()
    )
    model = text_format.Parse(configs.model_config(384, "gpu"), model_config_pb2.ModelConfig())
    buckets = list(map(int, model.parameters["buckets_gpu"].string_value.split()))
    warm = [warm_up.inputs["input_ids"].dims[0] for warm_up in encoder.model_warmup]
    assert warm == [length for length in buckets if length <= 256]
    assert len(buckets) <= 20
    assert int(model.parameters["encoder_max_rows"].string_value) <= encoder.max_batch_size
    assert int(encoder.parameters["gpu_mem_limit"].string_value) > 0
    assert encoder.parameters["arena_extend_strategy"].string_value == "1"


def test_tensorrt_has_a_profile_over_all_shapes() -> None:
    encoder = text_format.Parse(
        configs.encoder_config(768, "fp16", "tensorrt", 384), model_config_pb2.ModelConfig()
    )
    (tensorrt,) = encoder.optimization.execution_accelerators.gpu_execution_accelerator
    assert tensorrt.parameters["precision_mode"] == "FP16"
    bounds = [tensorrt.parameters[f"trt_profile_{which}_shapes"] for which in ("min", "opt", "max")]
    shapes = [
        {
            name: tuple(map(int, shape.split("x")))
            for name, shape in (each.split(":") for each in bound.split(","))
        }
        for bound in bounds
    ]
    for name in ("input_ids", "attention_mask"):
        low, usual, high = (shape[name] for shape in shapes)
        assert low == (1, 1)
        assert low <= usual <= high
        assert high == (encoder.max_batch_size, 384)
