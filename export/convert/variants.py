"""Makes graphs of other precisions from the fp32 graph, holds each to its gate, and finds the fastest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np

from dataflow.embed.session import Session
from dataflow.embed.tokens import Tokens
from export.convert import parity, precision, quantise
from export.convert.precision import Agreement, Precision, Vectors
from export.convert.weights import Log
from export.errors import ModelError, ParityError
from export.repository.configs import Device
from export.serve.openvino_session import session

_ROUNDS = 5
_ROUND_TEXTS = 48
_TEXTS = [" ".join(["disk failure on node"] * n) for n in range(1, 49)]


@dataclass(frozen=True)
class Variant:
    """A graph that passed its gate, and a function that runs the graph here."""

    precision: Precision
    graph: Path
    embed: parity.Embed
    found: Agreement


class Variants:
    """The variants that can be made of ``graph``.

    ``expected``: (n, dim), what the reference gives for the difficult texts; ``texts``: a folder of real
    texts.
    """

    def __init__(
        self, graph: Path, tokenizer: Path, expected: Vectors, device: Device, texts: Path, log: Log
    ) -> None:
        self._graph, self._tokenizer, self._expected = graph, tokenizer, expected
        self._device, self._texts, self._log = device, texts, log
        embed = self._session(graph).encode
        found = precision.agreement(expected, embed)
        precision.require_agreement("fp32", found)
        self._fp32 = Variant("fp32", graph, embed, found)

    def make(self, wanted: Precision) -> Variant:
        """Raises ``ModelError`` if ``wanted`` cannot be made here, ``ParityError`` if it fails its gate."""
        precision.require_available(wanted, self._device, self._texts)
        if wanted == "fp32":
            return self._fp32
        self._log(f"making {wanted} and comparing it")
        if wanted == "bf16":  # the same graph: OpenVINO rounds
            embed = _openvino(self._graph, self._tokenizer, self._expected.shape[1])
            return self._compared(Variant("bf16", self._graph, embed, self._fp32.found))
        if wanted == "fp16":
            return self._quantised("fp16", quantise.to_fp16)
        try:
            return self._quantised("int8", quantise.to_int8)
        except ParityError as error:
            self._log(f"{str(error).partition(';')[0]}; trying again with its sensitive products in fp32")
            return self._quantised("int8", quantise.to_int8_but_down)

    def fastest(self) -> Variant:
        """The variant that embeds the most texts per second here, of those that pass their gate."""
        if self._device != "auto":
            self._log("auto: fp16, because this machine cannot measure a GPU")
            return self.make("fp16")
        passed = [self._fp32]
        for wanted in ("bf16", "int8"):
            try:
                passed.append(self.make(wanted))
            except (ModelError, ParityError) as error:
                self._log(f"auto: without {wanted}: {error}")
        texts = [text for file in self._real[0].values() for text in file[:_ROUND_TEXTS]] or [*_TEXTS]
        seconds: dict[str, list[float]] = {each.precision: [] for each in passed}
        for _ in range(_ROUNDS):  # in turns, so that other work on the machine slows all variants alike
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
        embed = self._session(path).encode
        return self._compared(Variant(wanted, path, embed, self._fp32.found))

    def _session(self, graph: Path) -> Session:
        """``graph`` on the device that will serve it, if this machine has one."""
        if self._device == "auto":
            return Session(graph, self._tokenizer)
        session = Session(graph, self._tokenizer, device="auto")
        self._log(f"the graph runs on {session.device} for the comparison")
        return session

    def _compared(self, variant: Variant) -> Variant:
        found = precision.agreement(self._expected, variant.embed)
        if variant.precision in precision.LEAST_KEPT:
            texts, before = self._real
            after = [variant.embed(each) for each in texts.values()]
            found = replace(found, kept=precision.anomalies_kept(list(before.values()), after))
        precision.require_agreement(variant.precision, found)
        return replace(variant, found=found)

    @cached_property
    def _real(self) -> tuple[dict[str, list[str]], dict[str, Vectors]]:
        """The real texts of each file, and the vectors that fp32 gives for them."""
        texts = precision.real_texts(self._texts)
        self._log(f"{sum(map(len, texts.values()))} real texts of {', '.join(texts) or self._texts}")
        return texts, {name: self._fp32.embed(each) for name, each in texts.items()}


def _openvino(graph: Path, tokenizer: Path, dim: int) -> parity.Embed:
    """Embeds as the sidecar does it: with the same file for OpenVINO and the same batches."""
    run, tokens = session(graph, "bf16"), Tokens(tokenizer)

    def embed(texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), dim), np.float32)
        for batch in tokens.batches(texts):
            feed = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
            vectors[batch.rows] = run(feed)["embedding"]
        return vectors

    return embed
