"""The Triton model repository on disk: its files, its configs, and what it says it holds.

::

    sbert/config.pbtxt            texts in, embeddings out
    sbert/1/model.py              tokens.py  tokenizer.json
    sbert_encoder/config.pbtxt    the transformer
    sbert_encoder/1/model.onnx    spec.json

``spec.json`` is written last: a version without one is not whole.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from export.errors import ExportError

MODEL, ENCODER = "sbert", "sbert_encoder"
VERSION = "1"

#: Counts up when the export itself changes, so that older exports are made again.
FORMAT = 1

_CODE = {
    "model.py": Path(__file__).parents[1] / "model_repo" / MODEL / "1" / "model.py",
    "tokens.py": Path(__file__).parents[1] / "dataflow" / "tokens.py",
}


@dataclass(frozen=True)
class Spec:
    """What a version is made from. Sums are SHA-256 in hex; ``parity`` the largest difference measured."""

    name: str
    source: str
    weights_sha256: str
    tokenizer_sha256: str
    graph_sha256: str
    dim: int
    max_tokens: int
    pooling: str
    normalize: bool
    precision: str
    parity: float
    format: int = FORMAT


@dataclass(frozen=True)
class Layout:
    """The paths of one version in a repository."""

    root: Path
    version: str = VERSION

    @property
    def model(self) -> Path:
        return self.root / MODEL / self.version

    @property
    def encoder(self) -> Path:
        return self.root / ENCODER / self.version

    @property
    def graph(self) -> Path:
        return self.encoder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        return self.model / "tokenizer.json"

    @property
    def spec(self) -> Path:
        return self.encoder / "spec.json"


def read_spec(layout: Layout) -> Spec | None:
    """The spec of a version, or None if there is none that this export understands."""
    try:
        return Spec(**json.loads(layout.spec.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def install(layout: Layout, built: Layout, spec: Spec) -> None:
    """Move the files of ``built``, in the same file system, to where they are served from."""
    layout.spec.unlink(missing_ok=True)
    layout.encoder.mkdir(parents=True, exist_ok=True)
    layout.model.mkdir(parents=True, exist_ok=True)
    os.replace(built.graph, layout.graph)
    os.replace(built.tokenizer, layout.tokenizer)
    write_served_files(layout, spec.dim)
    _write(layout.spec, json.dumps(asdict(spec), indent=2) + "\n")


def write_served_files(layout: Layout, dim: int) -> None:
    """Write the configs and the code of a version where they are missing or differ."""
    for name, path in _CODE.items():
        try:
            _write(layout.model / name, path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ExportError(f"{path}: {error.strerror}; run the export from a checkout") from None
    _write(layout.root / MODEL / "config.pbtxt", model_config(dim))
    _write(layout.root / ENCODER / "config.pbtxt", encoder_config(dim))


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def remove(path: Path) -> None:
    """Remove a folder that the export itself made."""
    shutil.rmtree(path, ignore_errors=True)


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
  {{ key: "max_tokens_gpu" value {{ string_value: "16384" }} }}
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
