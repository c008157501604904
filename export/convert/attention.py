"""Traces attention as one operator of ONNX Runtime instead of a dozen.

``com.microsoft::MultiHeadAttention`` takes queries, keys, values, the padding mask, and MPNet's bias by
relative position. The pattern matcher of ``onnxruntime.transformers`` finds no attention in graphs that
transformers 5 traces, and does not know MPNet's bias. So the trace contains the operator from the start.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface
from transformers.models.mpnet.modeling_mpnet import MPNetModel, MPNetSelfAttention

_NAME = "driftline_fused"


class _Attention(torch.autograd.Function):
    """``query``, ``key``, ``value`` (b, length, heads * size); ``mask`` (b, length) int32, 1 for a token."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor,
        bias: torch.Tensor | None,
        heads: int,
        scale: float,
    ) -> torch.Tensor:
        q, k, v = (each.view(*each.shape[:2], heads, -1).transpose(1, 2) for each in (query, key, value))
        scores = q @ k.transpose(-1, -2) * scale
        if bias is not None:
            scores = scores + bias
        scores = scores.masked_fill(mask[:, None, None] == 0, -1e9)
        out: torch.Tensor = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return out

    @staticmethod
    def symbolic(
        g: Any, query: Any, key: Any, value: Any, mask: Any, bias: Any, heads: int, scale: float
    ) -> Any:
        absent = g.op("prim::Constant")
        absent.setType(torch._C.OptionalType.ofTensor())
        inputs = [query, key, value, absent, mask, *([] if bias is None else [bias])]
        made = g.op("com.microsoft::MultiHeadAttention", *inputs, num_heads_i=heads, scale_f=scale)
        made.setType(query.type())
        return made


_attention: Callable[..., Any] = _Attention.apply


@contextlib.contextmanager
def fused(transformer: Any, mask: Callable[[], torch.Tensor]) -> Iterator[bool]:
    """Make ``transformer`` call the operator within the block.

    ``mask`` returns the padding mask of the current call, (b, length) int32.
    Yields whether the transformer calls it. A class of transformers that does not let other code compute its
    attention stays unchanged.
    """

    def attend(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **more: Any
    ) -> tuple[Any, None]:
        heads, size = int(query.shape[1]), int(query.shape[3])
        batch = query.shape[0]
        flat = (each.transpose(1, 2).reshape(batch, -1, heads * size) for each in (query, key, value))
        out = _attention(*flat, mask(), None, heads, float(more.get("scaling") or size**-0.5))
        return out.reshape(batch, -1, heads, size), None

    def attend_mpnet(
        self: Any, hidden: Any, attention_mask: Any = None, position_bias: Any = None, **more: Any
    ) -> tuple[Any]:
        # One bias per row, although all are equal: ONNX Runtime 1.19 reads past the end of a single bias.
        given = (self.q(hidden), self.k(hidden), self.v(hidden), mask(), position_bias)
        out = _attention(*given, self.num_attention_heads, self.attention_head_size**-0.5)
        # The -1 is a shape that ONNX Runtime cannot infer. With a shape that it can infer, it fuses the
        # residual into SkipLayerNormalization, which took 9 % of the time on a CPU; unfused they take 3 %.
        return (self.o(out.reshape(hidden.shape[0], -1, self.all_head_size)),)

    config = transformer.config
    original = MPNetSelfAttention.forward
    mpnet = isinstance(transformer, MPNetModel)
    if not (mpnet or getattr(transformer, "_supports_attention_backend", False)):
        yield False
        return
    before = config._attn_implementation
    AttentionInterface.register(_NAME, attend)
    # The operator applies the padding mask itself.
    AttentionMaskInterface.register(_NAME, lambda *_, **__: None)
    config._attn_implementation = _NAME
    if mpnet:
        setattr(MPNetSelfAttention, "forward", attend_mpnet)  # noqa: B010  another signature
    try:
        yield True
    finally:
        config._attn_implementation = before
        MPNetSelfAttention.forward = original
