"""Converts the fp32 graph to fewer bits. int8 needs onnx and onnxruntime; fp16 needs torch, too."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

_NORMS = ("LayerNormalization", "SkipLayerNormalization")


def to_fp16(source: Path, target: Path) -> None:
    """Convert weights and encoder to fp16; inputs, pooling, normalisation and output stay unchanged.

    This is for GPUs. ONNX Runtime's CPU kernels can run the graph, but slower than fp32: they convert each
    tensor to fp32 and back.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415  imports torch

    model: Any = onnx.load(source)
    nodes = list(model.graph.node)
    last = max((i for i, node in enumerate(nodes) if node.op_type in _NORMS), default=-1)
    # Pooling sums up to 512 tokens and divides by at least 1e-9, a number that fp16 cannot hold.
    after = [node.name for node in nodes[last + 1 :]]
    converted = convert_float_to_float16(model, keep_io_types=True, node_block_list=after)
    _drop_repeated(converted)
    _drop_detours(converted)
    onnx.save(converted, target)


def _drop_repeated(model: Any) -> None:
    """Keep one of the casts with the same name and input: before 1.32, ONNX Runtime's converter makes one for
    each reader of a value.
    """
    nodes = {node.output[0]: node for node in reversed(model.graph.node)}
    kept = [node for node in model.graph.node if nodes[node.output[0]] is node]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _drop_detours(model: Any) -> None:
    """Remove casts to fp16 and back, which the converter puts between two nodes that stay in fp32."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        before = made_by.get(node.input[0]) if _is_cast(node, onnx.TensorProto.FLOAT) else None
        if before is not None and _is_cast(before, onnx.TensorProto.FLOAT16):
            node.CopyFrom(onnx.helper.make_node("Identity", before.input, node.output, name=node.name))


def _is_cast(node: Any, to: int) -> bool:
    return bool(node.op_type == "Cast" and node.attribute[0].i == to)


def to_int8(source: Path, target: Path) -> None:
    """Convert all products with weights to int8: weights by output channel, activations by tensor."""
    _quantize(source, target, lambda rows, columns: True)


def to_int8_but_down(source: Path, target: Path) -> None:
    """As :func:`to_int8`, but leave the down projections in fp32.

    They are the products that reduce a layer's wide activations; their activations contain the outliers.
    """
    _quantize(source, target, lambda rows, columns: rows <= columns)


def _quantize(source: Path, target: Path, wanted: Callable[[int, int], bool]) -> None:
    model: Any = onnx.load(source)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    products = [
        (node.name, shapes.get(node.input[1])) for node in model.graph.node if node.op_type == "MatMul"
    ]
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends a preparation that changes nothing here
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            made = Path(scratch, target.name)
            quantize_dynamic(
                source,
                made,
                per_channel=True,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["MatMul"],
                nodes_to_exclude=[name for name, shape in products if shape and not wanted(*shape)],
                extra_options={"MatMulConstBOnly": True},
            )
            made.replace(target)
    finally:
        logging.disable(level)
