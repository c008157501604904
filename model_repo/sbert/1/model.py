"""``sbert``: texts in, embeddings out.

``TEXT`` (BYTES, UTF-8, [n, 1]) -> ``EMBEDDING`` (FP32, [n, dim]). The dynamic batcher passes several requests
at once. Their texts are tokenised together, sorted by token length, sent in batches of similar length to the
same version of ``sbert_encoder``, and put back in order.

A request that asks for ``SPEC`` alone is answered with ``spec.json``. A request may say which model it
expects, by the parameter ``sha256`` as in ``spec.json``. Another model answers with NOT_FOUND: a model that
was exported again is never taken for the earlier one. A request that asks for ``CHECK`` beside ``EMBEDDING``
also gets the CRC-32 of each text (UINT32, [n, 1]). ``EMBEDDING_FP16`` (FP16, [n, dim]) in place of
``EMBEDDING`` is the same, rounded.
"""

import json
import os
import signal
import zlib
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils
from tokens import Tokens  # the export copies tokens.py and wordpieces.py of dataflow/embed beside this file


class TritonPythonModel:
    """The interface that Triton's Python backend asks for."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self._dim = config["output"][0]["dims"][0]
        self._version = int(args["model_version"])
        self._encoder = parameters["encoder"]
        kind = args["model_instance_kind"].lower()
        self._limits = {
            "max_rows": int(parameters["encoder_max_rows"]),
            "max_tokens": int(parameters[f"max_tokens_{kind}"]),
            "call_tokens": int(parameters[f"call_tokens_{kind}"]),
            "buckets": [int(length) for length in parameters[f"buckets_{kind}"].split()],
        }
        folder = Path(args["model_repository"], args["model_version"])
        self._tokens = Tokens(folder / "tokenizer.json")
        spec = folder / "spec.json"
        self._broken = None
        self._spec = json.loads(spec.read_text("utf-8")) if spec.is_file() else {}
        self._padding = Padding()

    def execute(self, requests):
        texts = [self._read(request) for request in requests]
        pooled = iter(self._embed_each([each for each in texts if isinstance(each, np.ndarray)]))
        return [
            _response(request, next(pooled) if isinstance(each, np.ndarray) else each)
            for request, each in zip(requests, texts, strict=True)
        ]

    def _read(self, request):
        """The texts of the request, or its answer if it has none to embed: a tensor or an error."""
        asked = json.loads(request.parameters()).get("sha256")
        if asked not in (None, self._spec.get("sha256")):
            now = " ".join(str(self._spec.get(each)) for each in ("name", "precision", "sha256"))
            why = f"version {self._version} is now {now}, asked for was sha256 {asked}"
            return pb_utils.TritonError(why, pb_utils.TritonError.NOT_FOUND)
        if request.requested_output_names() == {"SPEC"}:
            rows = len(pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy())
            return pb_utils.Tensor("SPEC", np.full((rows, 1), json.dumps(self._spec).encode(), object))
        return _texts(request)

    def _embed_each(self, pool):
        """One array of vectors or one error for each array of texts in ``pool``."""
        if not pool:
            return []
        try:
            vectors = self._embed(np.concatenate(pool))
        except EncoderError as error:
            if len(pool) == 1:
                return [error.args[0]]
            # The texts of one request must not fail the other requests.
            return [result for texts in pool for result in self._embed_each([texts])]
        return np.split(vectors, np.cumsum([len(texts) for texts in pool])[:-1])

    def _embed(self, texts):
        vectors, real, computed = np.empty((len(texts), self._dim), np.float32), 0, 0
        for batch in self._tokens.batches(texts, **self._limits):
            vectors[batch.rows] = self._encode(batch)
            real, computed = real + int(batch.attention_mask.sum()), computed + batch.attention_mask.size
        self._padding.count(real, computed)
        return vectors

    def _encode(self, batch):
        if self._broken:
            raise EncoderError(pb_utils.TritonError(self._broken, pb_utils.TritonError.UNAVAILABLE))
        request = pb_utils.InferenceRequest(
            model_name=self._encoder,
            model_version=self._version,
            requested_output_names=["embedding"],
            inputs=[
                pb_utils.Tensor("input_ids", batch.input_ids),
                pb_utils.Tensor("attention_mask", batch.attention_mask),
            ],
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        )
        try:
            response = request.exec()
        except pb_utils.TritonModelException as error:  # the encoder is not loaded
            raise EncoderError(pb_utils.TritonError(str(error), pb_utils.TritonError.UNAVAILABLE)) from None
        if response.has_error():
            if "is not healthy" in response.error().message():
                self._end_server()
            raise EncoderError(response.error())
        vectors = pb_utils.get_output_tensor_by_name(response, "embedding").as_numpy()
        if len(vectors) != len(batch.rows):
            self._end_server()
            raise EncoderError(pb_utils.TritonError(self._broken, pb_utils.TritonError.UNAVAILABLE))
        return vectors

    def _end_server(self):
        """Embed no more texts, and stop the server, so that its supervisor starts it again.

        If a Python-based encoder gets no CPU for a second, Triton treats it as dead, and gives its late
        answer to the next request. From then on each answer goes to the request after its own, so no answer
        can be used.
        """
        self._broken = f"{self._encoder} mixes up its answers; the server ends"
        os.kill(os.getppid(), signal.SIGTERM)


class Padding:
    """Counts the tokens of texts, and the tokens that are computed with padding, in a metric of the server.

    The in-process embedder has a metric with the same name (dataflow/telemetry/metrics.py).
    """

    def __init__(self):
        # The server drops the metrics of a family when the last reference to the family is gone.
        self._family = pb_utils.MetricFamily(
            name="driftline_tokens_total",
            description="Tokens of texts, and tokens computed with padding.",
            kind=pb_utils.MetricFamily.COUNTER,
        )
        self._real, self._computed = (
            self._family.Metric(labels={"kind": kind}) for kind in ("real", "computed")
        )

    def count(self, real, computed):
        self._real.increment(real)
        self._computed.increment(computed)


class EncoderError(Exception):
    """The encoder failed. The argument is the ``TritonError`` that answers the request."""


def _texts(request):
    """The texts of the request as bytes in UTF-8, (n,), or an error that says why they are none."""
    rows = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
    try:
        b" ".join(rows).decode("utf-8")  # in one call: no character of UTF-8 has a space inside
    except UnicodeDecodeError:
        return next(filter(None, map(_refusal, rows)))
    return rows


def _refusal(row):
    """The error that says why ``row`` is not UTF-8, or None if it is."""
    try:
        row.decode("utf-8")
    except UnicodeDecodeError as error:
        why = f"TEXT is not UTF-8: {error.reason} at byte {error.start} of {error.object[:40]!r}"
        return pb_utils.TritonError(why, pb_utils.TritonError.INVALID_ARG)
    return None


def _response(request, result):
    if isinstance(result, np.ndarray):
        names = request.requested_output_names()
        # A request that names no output gets EMBEDDING alone: Triton treats it as one that asks for all.
        asks = "SPEC" not in names
        if asks and "EMBEDDING_FP16" in names:
            with np.errstate(over="ignore"):  # the client sees a number that is not finite
                tensors = [pb_utils.Tensor("EMBEDDING_FP16", result.astype(np.float16))]
        else:
            tensors = [pb_utils.Tensor("EMBEDDING", result)]
        if asks and "CHECK" in names:
            rows = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
            sums = np.fromiter(map(zlib.crc32, rows), np.uint32, len(rows))
            tensors.append(pb_utils.Tensor("CHECK", sums[:, None]))
        return pb_utils.InferenceResponse(tensors)
    if isinstance(result, pb_utils.Tensor):
        return pb_utils.InferenceResponse([result])
    return pb_utils.InferenceResponse(error=result)
