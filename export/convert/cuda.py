"""Rewrites the traced graph for CUDA: fewer and larger operators, which CUDA has kernels for.

ONNX Runtime makes none of these changes by itself (docs/explanation/benchmarks.md has the speeds):

- One product for queries, keys and values (``Attention``) in place of three products and
  ``MultiHeadAttention``.
- The padding mask as a bias that is added to the scores of attention, -10,000 for padding. With a mask, CUDA
  computes attention in several steps. With a bias, one kernel computes attention.
- ``SkipLayerNormalization`` in place of two sums and ``LayerNormalization``.

The graph computes the same as before, on a CPU too.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_DOMAIN = "com.microsoft"
#: Added to the score of a padding token; fp16 holds the number, and its exponential is 0.
_PADDING = -10_000.0


def rewrite(path: Path) -> bool:
    """Rewrite the graph in the file ``path``, if attention is traced as :mod:`export.convert.attention` does.

    Returns whether the graph was changed.
    """
    model: Any = onnx.load(path)
    graph = _Graph(model.graph)
    attentions = graph.nodes_of("MultiHeadAttention")
    masks = {node.input[4] for node in attentions}
    if len(masks) != 1 or not all(_projections(graph, node) for node in attentions):
        return False
    biases = {graph.before(node.input[5], "Expand") for node in attentions if len(node.input) > 5}
    _add_bias(graph, masks.pop(), biases)
    for node in graph.nodes_of("MultiHeadAttention"):
        _merge(graph, node, _projections(graph, node))
    _pass_through(graph)
    _fuse_norms(graph)
    graph.prune()
    onnx.save(model, path)
    return True


class _Graph:
    """The nodes and the constants of an ONNX graph by the name of their output."""

    def __init__(self, graph: Any) -> None:
        self.proto = graph
        self.made_by = {output: node for node in graph.node for output in node.output}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}

    def nodes_of(self, kind: str) -> list[Any]:
        return [node for node in self.proto.node if node.op_type == kind]

    def node(self, name: str, *kinds: str) -> Any:
        """The node that makes ``name`` if it is of one of the ``kinds``, else None."""
        node = self.made_by.get(name)
        return node if node is not None and node.op_type in kinds else None

    def before(self, name: str, *kinds: str) -> str:
        """``name``, or what it was before nodes of ``kinds``, which do not change its values."""
        while node := self.node(name, *kinds):
            name = node.input[0]
        return name

    def split(self, node: Any) -> tuple[str, str] | None:
        """(constant, other) for a sum or a product with one constant, else None."""
        names = list(node.input)
        constants = [name for name in names if name in self.constants]
        if len(names) != 2 or len(constants) != 1:
            return None
        names.remove(constants[0])
        return constants[0], names[0]

    def array(self, name: str) -> Any:
        return numpy_helper.to_array(self.constants[name])

    def add_constant(self, name: str, array: Any) -> str:
        tensor = numpy_helper.from_array(np.asarray(array), name)
        self.proto.initializer.append(tensor)
        self.constants[name] = tensor
        return name

    def insert_after(self, names: Iterable[str], nodes: list[Any]) -> None:
        """Insert ``nodes`` after the last node that makes one of ``names``. Nodes found before are stale."""
        wanted = set(names)
        everything = list(self.proto.node)
        last = max((i for i, node in enumerate(everything) if wanted & set(node.output)), default=-1)
        del self.proto.node[:]
        self.proto.node.extend([*everything[: last + 1], *nodes, *everything[last + 1 :]])
        self.made_by = {output: node for node in self.proto.node for output in node.output}

    def prune(self) -> None:
        """Remove the nodes and the constants that no output needs."""
        needed = {output.name for output in self.proto.output}
        kept = []
        for node in reversed(self.proto.node):
            if needed & set(node.output):
                kept.append(node)
                needed.update(node.input)
        constants = [tensor for tensor in self.proto.initializer if tensor.name in needed]
        del self.proto.node[:], self.proto.initializer[:]
        self.proto.node.extend(reversed(kept))
        self.proto.initializer.extend(constants)


def _projections(graph: _Graph, attention: Any) -> list[tuple[str, str, str]]:
    """(weights, bias, input) of queries, keys and values; empty if they are not three linear layers of one
    input.
    """
    found = []
    for name in attention.input[:3]:
        # The trace makes heads and joins them again; the values stay where they are.
        summed = graph.node(graph.before(name, "Reshape", "Transpose"), "Add")
        bias = graph.split(summed) if summed is not None else None
        product = graph.node(bias[1], "MatMul") if bias else None
        if bias is None or product is None or product.input[1] not in graph.constants:
            return []
        found.append((product.input[1], bias[0], product.input[0]))
    return found if len({given for _, _, given in found}) == 1 else []


def _merge(graph: _Graph, attention: Any, projections: list[tuple[str, str, str]]) -> None:
    """Make ``attention`` compute queries, keys and values, with the bias ``_BIAS`` in place of a mask."""
    name = attention.output[0]
    weights = np.concatenate([graph.array(weight) for weight, _, _ in projections], axis=1)
    biases = np.concatenate([graph.array(bias) for _, bias, _ in projections])
    inputs = [
        projections[0][2],
        graph.add_constant(f"{name}_weights", weights),
        graph.add_constant(f"{name}_biases", biases),
        "",
        "",
        _BIAS,
    ]
    attributes = {each.name: helper.get_attribute_value(each) for each in attention.attribute}
    made = helper.make_node("Attention", inputs, [name], domain=_DOMAIN, name=attention.name, **attributes)
    attention.CopyFrom(made)


_BIAS = "attention_bias"


def _add_bias(graph: _Graph, mask: str, biases: set[str]) -> None:
    """Make ``_BIAS``, (b, 1 or heads, length, length), from ``mask``, (b, length) int32, and MPNet's bias by
    relative position, (1, heads, length, length), if there is one.
    """
    one = graph.add_constant("padding_one", np.float32(-1))
    scale = graph.add_constant("padding_score", np.float32(-_PADDING))
    inner = graph.add_constant("padding_inner_axes", np.array([1, 2], np.int64))
    nodes = [
        helper.make_node("Cast", [mask], ["padding_real"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["padding_real", one], ["padding_shifted"]),
        helper.make_node("Mul", ["padding_shifted", scale], ["padding_scores"]),
        helper.make_node("Unsqueeze", ["padding_scores", inner], ["padding_keys"]),
    ]
    if biases:
        (other,) = biases
    else:
        other = "padding_queries"  # zeros, (b, 1, length, 1)
        zero = graph.add_constant("padding_zero", np.float32(0))
        outer = graph.add_constant("padding_outer_axes", np.array([1, 3], np.int64))
        nodes += [
            helper.make_node("Mul", ["padding_scores", zero], ["padding_zeros"]),
            helper.make_node("Unsqueeze", ["padding_zeros", outer], [other]),
        ]
    nodes.append(helper.make_node("Add", ["padding_keys", other], [_BIAS]))
    for node in nodes:
        node.name = node.output[0]
    graph.insert_after({mask, *biases}, nodes)


def _pass_through(graph: _Graph) -> None:
    """Give the output of attention to the product after it: the trace reshapes it to the shape it has."""
    for product in graph.nodes_of("MatMul"):
        source = graph.before(product.input[0], "Reshape")
        if graph.node(source, "Attention"):
            product.input[0] = source


def _fuse_norms(graph: _Graph) -> None:
    """``SkipLayerNormalization`` for the norm of (product + bias) + skip."""
    for norm in graph.nodes_of("LayerNormalization"):
        total = graph.node(norm.input[0], "Add")
        if total is None or graph.split(total):
            continue
        for name, skip in (tuple(total.input), tuple(reversed(total.input))):
            summed = graph.node(name, "Add")
            bias = graph.split(summed) if summed is not None else None
            if bias is None:
                continue
            inputs = [bias[1], skip, *norm.input[1:3], bias[0]]
            epsilon = next((each.f for each in norm.attribute if each.name == "epsilon"), 1e-5)
            output = norm.output[0]
            made = helper.make_node(
                "SkipLayerNormalization", inputs, [output], domain=_DOMAIN, name=norm.name, epsilon=epsilon
            )
            norm.CopyFrom(made)
            # The converter to fp16 must know the type of each output, and infers none of this domain.
            shape = ["batch", "length", None]
            graph.proto.value_info.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))
            break
