"""The ``config.pbtxt`` of both models, as Triton reads them: native ONNX Runtime backend and ours alike."""

from collections.abc import Iterable
from typing import Literal

#: The model that takes texts, and the model that takes tokens.
MODEL, ENCODER = "sbert", "sbert_encoder"

#: Where a model is meant to run. ``auto``: on each GPU where there are any, else on the CPU; ``gpu``: on
#: GPUs alone, with limits for their memory; ``tensorrt``: the same, compiled by TensorRT.
Device = Literal["auto", "gpu", "tensorrt"]

#: Token lengths that batches are padded to on a GPU: steps of an eighth to a third of the length.
GPU_BUCKETS = (*range(8, 65, 8), *range(80, 129, 16), *range(160, 257, 32), *range(320, 513, 64))
#: Tokens in one call of the encoder, padding included.
MAX_TOKENS = {"cpu": 1024, "gpu": 16384}
#: The most texts in a request.
MAX_ROWS = {"cpu": 256, "gpu": 1024}
#: What the CUDA arena of one instance may take, in bytes: 16,384 tokens of MPNet need a fifth of it.
GPU_MEMORY = 8 << 30


def model_config(dim: int, device: Device = "auto") -> str:
    """``sbert/config.pbtxt``."""
    # It tokenises on CPU cores in any case; its kind says where the encoder's budget is to be taken from.
    kind = "KIND_AUTO" if device == "auto" else "KIND_GPU"
    rows = MAX_ROWS["cpu" if device == "auto" else "gpu"]
    return f"""\
# Written by `python -m export`. One text a row in, one embedding a row out. The encoder is what warms up:
# a server that is still starting does not let one model call another.
name: "{MODEL}"
backend: "python"
max_batch_size: {4 * rows}
input [ {{ name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [
  {{ name: "EMBEDDING" data_type: TYPE_FP32 dims: [ {dim} ] }},
  # What the version is, as JSON, to who asks for it and nothing else; no text is embedded then.
  {{ name: "SPEC" data_type: TYPE_STRING dims: [ 1 ] }},
  # The CRC-32 of each text, to who asks for it beside EMBEDDING: that the answer is to this request.
  {{ name: "CHECK" data_type: TYPE_UINT32 dims: [ 1 ] }}
]
dynamic_batching {{ max_queue_delay_microseconds: 1000 }}
# AUTO: on each GPU where there are any, else on the CPU. The second instance tokenises while the first waits.
instance_group [ {{ kind: {kind} count: 2 }} ]
parameters [
  {{ key: "encoder" value {{ string_value: "{ENCODER}" }} }},
  {{ key: "encoder_max_rows" value {{ string_value: "{rows}" }} }},
  # Tokens in one call of the encoder, padding included, where instances run on the CPU and on a GPU.
  {{ key: "max_tokens_cpu" value {{ string_value: "{MAX_TOKENS["cpu"]}" }} }},
  {{ key: "max_tokens_gpu" value {{ string_value: "{MAX_TOKENS["gpu"]}" }} }},
  # What a call costs besides its tokens, in tokens: more means fewer batches and more padding.
  {{ key: "call_tokens_cpu" value {{ string_value: "12" }} }},
  {{ key: "call_tokens_gpu" value {{ string_value: "512" }} }},
  # The lengths that batches are padded to: on a GPU few shapes, each of which is planned once.
  {{ key: "buckets_cpu" value {{ string_value: "" }} }},
  {{ key: "buckets_gpu" value {{ string_value: "{" ".join(map(str, GPU_BUCKETS))}" }} }}
]
"""


def encoder_config(
    dim: int, precision: str = "fp32", device: Device = "auto", max_tokens: int = GPU_BUCKETS[-1]
) -> str:
    """``sbert_encoder/config.pbtxt``, for the native ONNX Runtime backend and for the Python-based one.

    ``max_tokens``: the longest text that the model takes, in tokens.
    """
    gpu = device != "auto"
    rows = MAX_ROWS["gpu" if gpu else "cpu"]
    shapes = _gpu_shapes(max_tokens) if gpu else [(1, 16), (32, 32), (8, 128)]
    instances = (
        "# Two on each GPU: one computes while the other's rows are copied.\n"
        "instance_group [ { kind: KIND_GPU count: 2 } ]"
        if gpu
        else "# AUTO: on each GPU where there are any, else on the CPU, where one instance uses all cores.\n"
        "instance_group [ { kind: KIND_AUTO count: 1 } ]"
    )
    return f"""\
# Written by `python -m export`. Dims and types are exact: the native ONNX Runtime backend insists.
name: "{ENCODER}"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: {rows}
input [
  {{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }},
  {{ name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }}
]
output [ {{ name: "embedding" data_type: TYPE_FP32 dims: [ {dim} ] }} ]
dynamic_batching {{ }}
{instances}
{_optimization(precision, device, max_tokens)}parameters [
  # 0: as many threads as there are cores.
  {{ key: "intra_op_thread_count" value {{ string_value: "0" }} }},
  {{ key: "inter_op_thread_count" value {{ string_value: "1" }} }}{_cuda(gpu)}
]
model_warmup [
{_warm_ups(shapes)}
]
"""


def _optimization(precision: str, device: Device, max_tokens: int) -> str:
    if device == "tensorrt":
        longest = min(max_tokens, GPU_BUCKETS[-1])
        typical = (MAX_TOKENS["gpu"] // 64, min(64, longest))
        options = {
            "precision_mode": "FP16" if precision == "fp16" else "FP32",
            "max_workspace_size_bytes": str(2 << 30),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": "/tmp/driftline-tensorrt",
            # One profile over all shapes: without it an engine is built for each that has not been seen.
            "trt_profile_min_shapes": _profile(1, 1),
            "trt_profile_opt_shapes": _profile(*typical),
            "trt_profile_max_shapes": _profile(MAX_ROWS["gpu"], longest),
        }
        lines = "\n".join(
            f'  parameters {{ key: "{key}" value: "{value}" }}' for key, value in options.items()
        )
        return (
            "optimization { execution_accelerators { gpu_execution_accelerator [ {\n"
            f'  name: "tensorrt"\n{lines}\n}} ] }} }}\n'
        )
    if precision == "bf16":
        return (
            "# The native backend reads the name alone; bfloat16 is OpenVINO's default where a CPU has it.\n"
            "optimization { execution_accelerators { cpu_execution_accelerator [ {\n"
            '  name: "openvino" parameters { key: "precision" value: "BF16" }\n'
            "} ] } }\n"
        )
    return ""


def _profile(rows: int, length: int) -> str:
    return f"input_ids:{rows}x{length},attention_mask:{rows}x{length}"


def _cuda(gpu: bool) -> str:
    if not gpu:
        return ""
    return f""",
  # The arena of an instance: a bound, and growth by what is asked for, not by powers of two.
  {{ key: "gpu_mem_limit" value {{ string_value: "{GPU_MEMORY}" }} }},
  {{ key: "arena_extend_strategy" value {{ string_value: "1" }} }}"""


def _gpu_shapes(max_tokens: int) -> list[tuple[int, int]]:
    """One batch as large as they come for each length that batches are padded to."""
    lengths = [length for length in GPU_BUCKETS if length <= max_tokens]
    return [(min(MAX_TOKENS["gpu"] // length, MAX_ROWS["gpu"]), length) for length in lengths]


def _warm_ups(shapes: Iterable[tuple[int, int]]) -> str:
    return ",\n".join(_warm_up(rows, length) for rows, length in shapes)


def _warm_up(rows: int, length: int) -> str:
    zeros = f"{{ data_type: TYPE_INT64 dims: [ {length} ] zero_data: true }}"
    return (
        f'  {{ name: "{rows}x{length}" batch_size: {rows}\n'
        f'    inputs {{ key: "input_ids" value {zeros} }}\n'
        f'    inputs {{ key: "attention_mask" value {zeros} }} }}'
    )
