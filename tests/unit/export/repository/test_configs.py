"""The configs that the server gets for each device and precision."""

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from dataflow.embed.tokens import CPU, GPU
from export.convert import precision
from export.convert.precision import Precision
from export.repository import configs
from export.repository.configs import Device
from tests.support.paths import ROOT


@pytest.mark.parametrize("name", ["sbert/config.pbtxt", "sbert_encoder/config.pbtxt"])
def test_tracked_configs_are_what_the_export_writes(name: str) -> None:
    written = {
        "sbert/config.pbtxt": configs.model_config(384),
        "sbert_encoder/config.pbtxt": configs.encoder_config(384),
    }
    assert (ROOT / "model_repo" / name).read_text() == written[name]


def test_the_limits_of_batches_are_those_of_the_in_process_embedder() -> None:
    model = text_format.Parse(configs.model_config(4), model_config_pb2.ModelConfig())
    for kind, limits in (("cpu", CPU), ("gpu", GPU)):
        found = {name: model.parameters[f"{name}_{kind}"].string_value for name in limits._fields[::2]}
        assert found == {"max_tokens": str(limits.max_tokens), "call_tokens": str(limits.call_tokens)}
        buckets = model.parameters[f"buckets_{kind}"].string_value
        assert tuple(map(int, buckets.split())) == limits.buckets
    assert model.parameters["encoder_max_rows"].string_value == str(CPU.max_rows)


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
            assert warm_up.batch_size * tensor.dims[0] <= GPU.max_tokens
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
