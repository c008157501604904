"""The arithmetic of a model, counted in its ONNX graph: products of matrices, and the bytes of the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt
import onnx
from onnx import numpy_helper

_PRODUCTS = ("MatMul", "Gemm")
_ATTENTION = "MultiHeadAttention"
#: Operations that only name a part of what is there, or give it another shape.
_FREE = frozenset(("Constant", "Shape", "Unsqueeze", "Squeeze", "Reshape", "Identity", "ConstantOfShape"))


class Counted(NamedTuple):
    """What one call of a graph has to do.

    ``products``: FLOP of products of matrices. ``attention``: those of them between tokens of one text.
    ``weights``: bytes of the weights. ``moved``: bytes that the other operations read and write, each by
    itself.
    """

    products: int
    attention: int
    weights: int
    moved: int


@dataclass(frozen=True)
class Arithmetic:
    """Counts for the graph in ``path``, whose inputs are ``input_ids`` and ``attention_mask``.

    A multiplication and an addition are two FLOP. Softmax, normalisation and activations are not products.
    """

    path: Path
    _counts: dict[tuple[int, int], Counted] = field(default_factory=dict, init=False, compare=False)

    @cached_property
    def _model(self) -> Any:
        return onnx.load(self.path)

    @cached_property
    def weights(self) -> list[npt.NDArray[Any]]:
        """The matrices of weights in products, in the order of the graph: (in, out) each."""
        held = {each.name: each for each in self._model.graph.initializer}
        named = [
            held[node.input[1]]
            for node in self._model.graph.node
            if node.op_type in _PRODUCTS and node.input[1] in held
        ]
        return [numpy_helper.to_array(each) for each in named]

    @property
    def width(self) -> int:
        """Numbers of a token between two layers."""
        return int(self.weights[0].shape[0])

    def count(self, texts: int, length: int) -> Counted:
        """One call with ``texts`` of ``length`` tokens, at least 2.

        Raises ``ValueError`` if the shape of a tensor is not known. A size of one is ambiguous
        in a graph, so one text is half of two.
        """
        if texts == 1:
            two = self.count(2, length)
            return Counted(two.products // 2, two.attention // 2, two.weights, two.moved // 2)
        if (texts, length) not in self._counts:
            self._counts[texts, length] = count(self._model, {"batch": texts, "length": length})
        return self._counts[texts, length]

    def flop(self, length: int) -> int:
        """FLOP of the products for one text of ``length`` tokens, without padding.

        The work of a text is a polynomial of its length: products with weights grow with the length, those
        between tokens with its square. So three short lengths say all.
        """
        first, second, third = (self.count(2, each).products for each in (2, 3, 4))
        slope, twice_square = second - first, third - 2 * second + first
        steps = length - 2
        return (first + steps * slope + steps * (steps - 1) // 2 * twice_square) // 2


def count(model: Any, sizes: Mapping[str, int]) -> Counted:
    """Count in ``model``; ``sizes`` gives the named dimensions of its tensors numbers.

    Raises ``ValueError`` if the shape of a tensor in a product cannot be known.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output, *fixed.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in sizes:
                dimension.dim_value = sizes[dimension.dim_param]
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    bytes_of = dict.fromkeys(shapes, 0)
    for value in (*graph.input, *graph.output, *graph.value_info):
        shapes[value.name] = tuple(each.dim_value for each in value.type.tensor_type.shape.dim)
        bytes_of[value.name] = prod(shapes[value.name]) * _width(value)
    products = attention = moved = 0
    for node in graph.node:
        if node.op_type in _PRODUCTS:
            products += 2 * prod(_shape(node.output[0], shapes)) * _inner(node, shapes)
        elif node.op_type == _ATTENTION:
            texts, length, width = _shape(node.input[0], shapes)
            attention += 4 * texts * length**2 * width
        elif node.op_type not in _FREE:
            moved += sum(bytes_of.get(name, 0) for name in (*node.input, *node.output))
    weights = sum(each.nbytes for each in map(numpy_helper.to_array, _product_weights(graph)))
    return Counted(products + attention, attention, weights, moved)


def _width(value: Any) -> int:
    kind = value.type.tensor_type.elem_type
    return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize) if kind else 0


def _product_weights(graph: Any) -> list[Any]:
    used = {node.input[1] for node in graph.node if node.op_type in _PRODUCTS}
    return [each for each in graph.initializer if each.name in used]


def _inner(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The length of the sums of a product. The shape of the weights is always known."""
    transposed = any(each.name == "transB" and each.i for each in node.attribute)
    return _shape(node.input[1], shapes)[-1 if transposed else -2]


def _shape(name: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    shape = shapes.get(name, ())
    if not shape or 0 in shape:
        raise ValueError(f"the shape of the tensor {name} in the graph is {shape or 'not known'}")
    return shape
