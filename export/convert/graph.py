"""Traces transformer, pooling, dense layers and L2 normalisation into one ONNX graph. Needs torch."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from sentence_transformers import SentenceTransformer

from export.convert import attention
from export.convert.architecture import EMBEDDING, Architecture, Pooling
from export.errors import ModelError

#: The ONNX Runtime of Triton 24.10 reads this opset (it takes opset <= 21, IR <= 10), and the fusions of
#: newer ONNX Runtimes know it.
OPSET = 17


class Encoder(torch.nn.Module):
    """``input_ids``, ``attention_mask`` (b, length) int64 -> ``embedding`` (b, dim) float32."""

    #: The mask of the current call, for :func:`export.convert.attention.fused`.
    mask: torch.Tensor

    def __init__(self, reference: SentenceTransformer, architecture: Architecture) -> None:
        super().__init__()
        self.transformer: Any = reference[0].auto_model
        self.dense = torch.nn.ModuleList(reference[2 + i] for i in range(architecture.dense))
        self.pooling = architecture.pooling
        self.normalize = architecture.normalize

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        self.mask = attention_mask.to(torch.int32)
        output = self.transformer(input_ids=input_ids, attention_mask=attention_mask, return_dict=True)
        embedding = _pool(self.pooling, output.last_hidden_state, attention_mask)
        for dense in self.dense:
            embedding = dense({EMBEDDING: embedding})[EMBEDDING]
        return torch.nn.functional.normalize(embedding, p=2.0, dim=1) if self.normalize else embedding


def _pool(pooling: Pooling, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    if pooling == "cls":
        return hidden[:, 0]
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    if pooling == "max":
        return hidden.masked_fill(mask == 0, -1e9).max(dim=1).values
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)


def load(folder: Path) -> SentenceTransformer:
    """Load the reference model on the CPU. Raises ``ModelError`` if the folder does not load."""
    with _quiet():
        try:
            model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: {str(error).splitlines()[0]}") from None
    return model.eval()


def export(
    reference: SentenceTransformer, architecture: Architecture, path: Path, *, fuse: bool = True
) -> None:
    """Write the graph of ``reference`` to ``path``, with dynamic batch and length axes.

    ``fuse``: write attention as one operator, which ONNX Runtime knows and TensorRT does not.
    """
    encoder = Encoder(reference, architecture).eval()
    # The lengths differ, so that the trace keeps the effect of the mask.
    input_ids = torch.full((2, 8), 5, dtype=torch.int64)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, 5:] = 0
    axes = {0: "batch", 1: "length"}
    fused = attention.fused(encoder.transformer, lambda: encoder.mask) if fuse else contextlib.nullcontext()
    with _quiet(), torch.inference_mode(), fused:
        torch.onnx.export(
            encoder,
            (input_ids, attention_mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "batch"}},
            opset_version=OPSET,
            custom_opsets={"com.microsoft": 1} if fuse else None,
            dynamo=False,
        )
        dim = encoder(input_ids, attention_mask).shape[1]
    _state_dimension(path, dim)


def _state_dimension(path: Path, dim: int) -> None:
    """Write the output's second dimension as a number: a server compares it, the tracer leaves a symbol."""
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = dim
    onnx.checker.check_model(model)
    onnx.save(model, path)


def save_tokenizer(reference: SentenceTransformer, path: Path) -> None:
    """Write the fast tokenizer, including the truncation and the padding id of this model."""
    fast: Any = reference.tokenizer
    tokenizer = type(fast.backend_tokenizer).from_str(fast.backend_tokenizer.to_str())
    tokenizer.enable_truncation(max_length=reference.max_seq_length)
    tokenizer.enable_padding(pad_id=fast.pad_token_id, pad_token=fast.pad_token)
    tokenizer.save(str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence progress bars and notes of torch and transformers that our users can do nothing about."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
