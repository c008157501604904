"""The text of each model's ``config.pbtxt``, for the native ONNX Runtime backend and for ours alike."""

from collections.abc import Iterable
from typing import Literal

from dataflow.embed.repository import ENCODER, MODEL
from dataflow.embed.tokens import CPU, GPU, Limits

#: Where a model runs. ``auto``: on each GPU of the machine, or on the CPU if it has none; ``gpu``: on GPUs
#: only, with a bound for their memory; ``tensorrt``: as ``gpu``, compiled by TensorRT.
Device = Literal["auto", "gpu", "tensorrt"]

#: The longest text in tokens that the configs of a GPU are made for.
LONGEST = GPU.buckets[-1]
#: Bytes that the CUDA arena of one instance may take: 16,384 tokens of MPNet need a fifth of it.
GPU_MEMORY = 8 << 30


def model_config(dim: int, device: Device = "auto") -> str:
    """``sbert/config.pbtxt``."""
    # This model always tokenises on CPU cores; its kind says which limits its batches have.
    kind = "KIND_AUTO" if device == "auto" else "KIND_GPU"
    rows = _limits(device).max_rows
    return f"""\
# Written by `python -m export`. One text per row in, one embedding per row out. Only the encoder has a
# warm-up: a server that is still starting lets no model call another one.
name: "{MODEL}"
backend: "python"
max_batch_size: {4 * rows}
input [ {{ name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [
  {{ name: "EMBEDDING" data_type: TYPE_FP32 dims: [ {dim} ] }},
  # The same, rounded to half of the bytes, for requests that ask for it by name.
  {{ name: "EMBEDDING_FP16" data_type: TYPE_FP16 dims: [ {dim} ] }},
  # What the version is, as JSON. It is for requests that ask for SPEC alone; they embed no text.
  {{ name: "SPEC" data_type: TYPE_STRING dims: [ 1 ] }},
  # The CRC-32 of each text, for requests that ask for it beside EMBEDDING: it proves whose answer this is.
  {{ name: "CHECK" data_type: TYPE_UINT32 dims: [ 1 ] }}
]
dynamic_batching {{ max_queue_delay_microseconds: 1000 }}
# AUTO: on each GPU, or on the CPU if there is no GPU. The second instance tokenises while the first waits.
instance_group [ {{ kind: {kind} count: 2 }} ]
parameters [
  {{ key: "encoder" value {{ string_value: "{ENCODER}" }} }},
  {{ key: "encoder_max_rows" value {{ string_value: "{rows}" }} }},
  # Tokens in one call of the encoder, padding included, for instances on the CPU and on a GPU.
  {{ key: "max_tokens_cpu" value {{ string_value: "{CPU.max_tokens}" }} }},
  {{ key: "max_tokens_gpu" value {{ string_value: "{GPU.max_tokens}" }} }},
  # What a call costs besides its tokens, in tokens: more means fewer batches and more padding.
  {{ key: "call_tokens_cpu" value {{ string_value: "{CPU.call_tokens}" }} }},
  {{ key: "call_tokens_gpu" value {{ string_value: "{GPU.call_tokens}" }} }},
  # The lengths that batches are padded to: a GPU gets few shapes, because it plans each shape once.
  {{ key: "buckets_cpu" value {{ string_value: "{_words(CPU.buckets)}" }} }},
  {{ key: "buckets_gpu" value {{ string_value: "{_words(GPU.buckets)}" }} }}
]
"""


def encoder_config(
    dim: int, precision: str = "fp32", device: Device = "auto", max_tokens: int = LONGEST
) -> str:
    """``sbert_encoder/config.pbtxt``, for the native ONNX Runtime backend and for the Python-based one.

    ``max_tokens``: the longest text in tokens that the model takes.
    """
    gpu = device != "auto"
    rows = _limits(device).max_rows
    shapes = _gpu_shapes(max_tokens) if gpu else [(1, 16), (32, 32), (8, 128)]
    instances = (
        "# Two on each GPU: one computes while the rows of the other are copied.\n"
        "instance_group [ { kind: KIND_GPU count: 2 } ]"
        if gpu
        else "# AUTO: on each GPU, or on the CPU if there is no GPU; one instance there uses all cores.\n"
        "instance_group [ { kind: KIND_AUTO count: 1 } ]"
    )
    return f"""\
# Written by `python -m export`. Dims and types are exact: the native ONNX Runtime backend requires it.
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


def _limits(device: Device) -> Limits:
    return CPU if device == "auto" else GPU


def _words(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _optimization(precision: str, device: Device, max_tokens: int) -> str:
    if device == "tensorrt":
        longest = min(max_tokens, LONGEST)
        typical = (GPU.max_tokens // 64, min(64, longest))
        parameters = {
            "precision_mode": "FP16" if precision == "fp16" else "FP32",
            "max_workspace_size_bytes": str(2 << 30),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": "/tmp/driftline-tensorrt",
            # One profile for all shapes: without it TensorRT builds an engine for each new shape.
            "trt_profile_min_shapes": _profile(1, 1),
            "trt_profile_opt_shapes": _profile(*typical),
            "trt_profile_max_shapes": _profile(GPU.max_rows, longest),
        }
        lines = "\n".join(
            f'  parameters {{ key: "{key}" value: "{value}" }}' for key, value in parameters.items()
        )
        return (
            "optimization { execution_accelerators { gpu_execution_accelerator [ {\n"
            f'  name: "tensorrt"\n{lines}\n}} ] }} }}\n'
        )
    if precision == "bf16":
        return (
            "# The native backend reads only the name; OpenVINO takes bfloat16 by itself if the CPU has it.\n"
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
  # The arena of an instance has a bound, and grows by what is asked for, not by powers of two.
  {{ key: "gpu_mem_limit" value {{ string_value: "{GPU_MEMORY}" }} }},
  {{ key: "arena_extend_strategy" value {{ string_value: "1" }} }}"""


def _gpu_shapes(max_tokens: int) -> list[tuple[int, int]]:
    """The largest batch of each length that batches are padded to."""
    lengths = [length for length in GPU.buckets if length <= max_tokens]
    return [(min(GPU.max_tokens // length, GPU.max_rows), length) for length in lengths]


def _warm_ups(shapes: Iterable[tuple[int, int]]) -> str:
    return ",\n".join(_warm_up(rows, length) for rows, length in shapes)


def _warm_up(rows: int, length: int) -> str:
    zeros = f"{{ data_type: TYPE_INT64 dims: [ {length} ] zero_data: true }}"
    return (
        f'  {{ name: "{rows}x{length}" batch_size: {rows}\n'
        f'    inputs {{ key: "input_ids" value {zeros} }}\n'
        f'    inputs {{ key: "attention_mask" value {zeros} }} }}'
    )
