"""The ``config.pbtxt`` of both models, as Triton reads them: native ONNX Runtime backend and ours alike."""

MODEL, ENCODER = "sbert", "sbert_encoder"

#: Token lengths that batches are padded to on a GPU: steps of an eighth to a third of the length.
GPU_BUCKETS = (*range(8, 65, 8), *range(80, 129, 16), *range(160, 257, 32), *range(320, 513, 64))


def model_config(dim: int) -> str:
    """``sbert/config.pbtxt``."""
    return f"""\
# Written by `python -m export`. One text a row in, one embedding a row out. The encoder is what warms up:
# a server that is still starting does not let one model call another.
name: "{MODEL}"
backend: "python"
max_batch_size: 1024
input [ {{ name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "EMBEDDING" data_type: TYPE_FP32 dims: [ {dim} ] }} ]
dynamic_batching {{ max_queue_delay_microseconds: 1000 }}
# AUTO: on each GPU where there are any, else on the CPU. The second instance tokenises while the first waits.
instance_group [ {{ kind: KIND_AUTO count: 2 }} ]
parameters [
  {{ key: "encoder" value {{ string_value: "{ENCODER}" }} }},
  {{ key: "encoder_max_rows" value {{ string_value: "256" }} }},
  # Tokens in one call of the encoder, padding included, where instances run on the CPU and on a GPU.
  {{ key: "max_tokens_cpu" value {{ string_value: "1024" }} }},
  {{ key: "max_tokens_gpu" value {{ string_value: "16384" }} }},
  # What a call costs besides its tokens, in tokens: more means fewer batches and more padding.
  {{ key: "call_tokens_cpu" value {{ string_value: "24" }} }},
  {{ key: "call_tokens_gpu" value {{ string_value: "512" }} }},
  # The lengths that batches are padded to: on a GPU few shapes, each of which is planned once.
  {{ key: "buckets_cpu" value {{ string_value: "" }} }},
  {{ key: "buckets_gpu" value {{ string_value: "{" ".join(map(str, GPU_BUCKETS))}" }} }}
]
"""


def encoder_config(dim: int) -> str:
    """``sbert_encoder/config.pbtxt``, for the native ONNX Runtime backend and for the Python-based one."""
    warm_up = ",\n".join(_warm_up(rows, length) for rows, length in ((1, 16), (32, 32), (8, 128)))
    return f"""\
# Written by `python -m export`. Dims and types are exact: the native ONNX Runtime backend insists.
name: "{ENCODER}"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 256
input [
  {{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }},
  {{ name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }}
]
output [ {{ name: "embedding" data_type: TYPE_FP32 dims: [ {dim} ] }} ]
dynamic_batching {{ }}
# AUTO: on each GPU where there are any, else on the CPU, where one instance uses all cores.
instance_group [ {{ kind: KIND_AUTO count: 1 }} ]
parameters [
  # 0: as many threads as there are cores.
  {{ key: "intra_op_thread_count" value {{ string_value: "0" }} }},
  {{ key: "inter_op_thread_count" value {{ string_value: "1" }} }}
]
model_warmup [
{warm_up}
]
"""


def _warm_up(rows: int, length: int) -> str:
    zeros = f"{{ data_type: TYPE_INT64 dims: [ {length} ] zero_data: true }}"
    return (
        f'  {{ name: "{rows}x{length}" batch_size: {rows}\n'
        f'    inputs {{ key: "input_ids" value {zeros} }}\n'
        f'    inputs {{ key: "attention_mask" value {zeros} }} }}'
    )
