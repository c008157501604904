"""Makes a graph of another precision from the fp32 one, holds it to its gate, and picks the fastest."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np

from dataflow.embed.onnx import MAX_ROWS, MAX_TOKENS, Session
from dataflow.embed.tokens import Tokens
from export.convert import parity, precision, quantise
from export.convert.precision import Agreement, Precision, Vectors
from export.convert.weights import Log
from export.errors import ModelError, ParityError
from export.repository.configs import Device

_ROUNDS = 5
_ROUND_TEXTS = 48
_TEXTS = [" ".join(["disk failure on node"] * n) for n in range(1, 49)]


@dataclass(frozen=True)
class Variant:
    """A graph that passed its gate, and how it is run here."""

    precision: Precision
    graph: Path
    embed: parity.Embed
    found: Agreement


class Variants:
    """What can be made of ``graph``.

    ``expected``: (n, dim), the reference's for the difficult texts; ``texts``: a folder of real ones.
    """

    def __init__(
        self, graph: Path, tokenizer: Path, expected: Vectors, device: Device, texts: Path, log: Log
    ) -> None:
        self._graph, self._tokenizer, self._expected = graph, tokenizer, expected
        self._device, self._texts, self._log = device, texts, log
        embed = Session(graph, tokenizer).encode
        found = precision.agreement(expected, embed)
        precision.check("fp32", found)
        self._fp32 = Variant("fp32", graph, embed, found)

    def make(self, wanted: Precision) -> Variant:
        """Raises ``ModelError`` if it cannot be had here, ``ParityError`` if it does not pass its gate."""
        precision.require(wanted, self._device, self._texts)
        if wanted == "fp32":
            return self._fp32
        self._log(f"making {wanted}, and comparing")
        if wanted == "bf16":  # the same graph: OpenVINO rounds
            embed = _openvino(self._graph, self._tokenizer, self._expected.shape[1])
            return self._checked(Variant("bf16", self._graph, embed, self._fp32.found))
        if wanted == "fp16":
            return self._quantised("fp16", quantise.to_fp16)
        try:
            return self._quantised("int8", quantise.to_int8)
        except ParityError as error:
            self._log(f"{str(error).partition(';')[0]}; trying again with its sensitive products in fp32")
            return self._quantised("int8", quantise.to_int8_but_down)

    def fastest(self) -> Variant:
        """Of those that pass, the one with the most texts a second on this machine."""
        if self._device != "auto":
            self._log("auto: fp16, for a GPU that is not here to be asked")
            return self.make("fp16")
        passed = [self._fp32]
        for wanted in ("bf16", "int8"):
            try:
                passed.append(self.make(wanted))
            except (ModelError, ParityError) as error:
                self._log(f"auto: without {wanted}: {error}")
        texts = [text for file in self._real[0].values() for text in file[:_ROUND_TEXTS]] or [*_TEXTS]
        seconds: dict[str, list[float]] = {each.precision: [] for each in passed}
        for _ in range(_ROUNDS):  # in turns, so that what else the machine does meets all of them
            for each in passed:
                begun = time.perf_counter()
                each.embed(texts)
                seconds[each.precision].append(time.perf_counter() - begun)
        best = min(passed, key=lambda each: median(seconds[each.precision]))
        rates = ", ".join(f"{name} {len(texts) / median(times):.0f}/s" for name, times in seconds.items())
        self._log(f"auto: {best.precision} is the fastest here ({rates})")
        return best

    def _quantised(self, wanted: Precision, convert: Callable[[Path, Path], None]) -> Variant:
        path = self._graph.with_name(f"{convert.__name__}.onnx")
        convert(self._graph, path)
        embed = Session(path, self._tokenizer).encode
        return self._checked(Variant(wanted, path, embed, self._fp32.found))

    def _checked(self, variant: Variant) -> Variant:
        found = precision.agreement(self._expected, variant.embed)
        if variant.precision in precision.KEPT:
            texts, before = self._real
            after = [variant.embed(each) for each in texts.values()]
            found = replace(found, kept=precision.kept(list(before.values()), after))
        precision.check(variant.precision, found)
        return replace(variant, found=found)

    @cached_property
    def _real(self) -> tuple[dict[str, list[str]], dict[str, Vectors]]:
        texts = precision.real_texts(self._texts)
        self._log(f"{sum(map(len, texts.values()))} real texts of {', '.join(texts) or self._texts}")
        return texts, {name: self._fp32.embed(each) for name, each in texts.items()}


def _openvino(graph: Path, tokenizer: Path, dim: int) -> parity.Embed:
    """As the sidecar runs it."""
    import openvino  # noqa: PLC0415  optional

    hints = {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(graph, "CPU", hints).create_infer_request()
    tokens = Tokens(tokenizer)

    def embed(texts: object) -> Vectors:
        listed = list(texts)  # type: ignore[call-overload]
        vectors = np.empty((len(listed), dim), np.float32)
        for batch in tokens.batches(listed, max_tokens=MAX_TOKENS, max_rows=MAX_ROWS):
            feed = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
            vectors[batch.rows] = request.infer(feed)["embedding"]
        return vectors

    return embed
