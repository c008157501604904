"""The arithmetic of a graph is counted exactly, and the limits are those of what was counted."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from benchmarks.kit.arithmetic import Arithmetic, count
from benchmarks.kit.rates import Triad, chained, flop_rate, products
from benchmarks.limits import Step, losses

SIZES = st.integers(2, 9)
INNER, OUT, HEADS = 6, 4, 2


def layer(known: bool = True) -> Any:
    """(batch, length, INNER) times weights, attention of OUT numbers, and a sum."""
    weights = numpy_helper.from_array(np.ones((INNER, OUT), np.float32), "w")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["q"]),
        helper.make_node(
            "MultiHeadAttention", ["q", "q", "q"], ["a"], domain="com.microsoft", num_heads=HEADS
        ),
        helper.make_node("Add", ["q", "q"], ["sum"]),
    ]
    if not known:
        nodes.append(helper.make_node("MatMul", ["a", "w2"], ["y"]))
    more = [] if known else [numpy_helper.from_array(np.ones((OUT, OUT), np.float32), "w2")]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "length", INNER]),
        helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
    ]
    graph = helper.make_graph(nodes, "layer", ends[:1], ends[1:], [weights, *more])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets)


@given(SIZES, SIZES)
def test_products_and_attention_are_counted(texts: int, length: int) -> None:
    found = count(layer(), {"batch": texts, "length": length})
    attention = sum(2 * 2 * length * length * (OUT // HEADS) for _ in range(texts) for _ in range(HEADS))
    assert found.attention == attention
    assert found.products == attention + 2 * texts * length * INNER * OUT
    assert found.weights == 4 * INNER * OUT
    # The sum reads one tensor twice and writes another one.
    assert found.moved == 3 * 4 * texts * length * OUT


def test_a_tensor_without_a_shape_is_named() -> None:
    with pytest.raises(ValueError, match="the shape of the tensor y "):
        count(layer(known=False), {"batch": 2, "length": 2})


def test_a_text_alone_costs_what_it_costs_among_others(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(layer(), path)
    arithmetic = Arithmetic(path)
    for length in (2, 3, 7, 50):
        assert arithmetic.flop(length) * 5 == arithmetic.count(5, length).products
        assert arithmetic.count(1, length).products == arithmetic.flop(length)
    assert (arithmetic.width, [each.shape for each in arithmetic.weights]) == (INNER, [(INNER, OUT)])


def test_a_chain_of_products_is_that_of_numpy() -> None:
    draw = np.random.default_rng(0)
    weights = [draw.standard_normal(shape).astype(np.float32) for shape in ((8, 16), (16, 4))]
    rows = draw.standard_normal((5, 8), np.float32)
    found: Any = chained(weights, 1)(rows)
    expected = rows @ (weights[0] / np.sqrt(8)) @ (weights[1] / np.sqrt(16))
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)


def test_each_library_multiplies() -> None:
    found = products(1, side=16)
    assert {name.split(",")[0] for name in found} == {"numpy", "ONNX Runtime", "torch"}
    assert all(flop_rate(product, side=16) > 0 for product in found.values())


@pytest.mark.parametrize("threads", [1, 3])
def test_a_triad_writes_each_number(threads: int) -> None:
    triad = Triad(threads, 8 * 50_001)
    assert triad.rate() > 0
    triad.close()
    np.testing.assert_array_equal(triad.result, np.full(50_001, 4.0))


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6))
def test_the_losses_lead_from_the_ideal_to_the_end(ms: list[float]) -> None:
    found = losses([Step("", [each], "") for each in ms])
    assert prod(1 - lost for lost in found) == pytest.approx(ms[0] / ms[-1])
