"""``sbert``: texts in, embeddings out.

``TEXT`` (BYTES, UTF-8, [n, 1]) -> ``EMBEDDING`` (FP32, [n, dim]). All requests that the dynamic batcher
hands over together are tokenised as one pool, sorted by token length, sent to ``sbert_encoder`` of the
same version in batches of like length, and put back in order.
"""

import json
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils
from tokens import Tokens  # the export puts dataflow/tokens.py beside this file


class TritonPythonModel:
    """The interface that Triton's Python backend asks for."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self._dim = config["output"][0]["dims"][0]
        self._version = int(args["model_version"])
        self._encoder = parameters["encoder"]
        self._max_rows = int(parameters["encoder_max_rows"])
        self._max_tokens = int(parameters[f"max_tokens_{args['model_instance_kind'].lower()}"])
        self._tokens = Tokens(Path(args["model_repository"], args["model_version"], "tokenizer.json"))
        self._wait_for_encoder(float(parameters["encoder_wait_seconds"]))

    def _wait_for_encoder(self, seconds):
        """The server loads models side by side; ready must mean that texts can be embedded."""
        until = time.monotonic() + seconds
        while not pb_utils.is_model_ready(self._encoder, str(self._version)):
            if time.monotonic() > until:
                raise pb_utils.TritonModelException(
                    f"{self._encoder} version {self._version} did not become ready in {seconds:g} s"
                )
            time.sleep(0.05)

    def execute(self, requests):
        texts = [_texts(request) for request in requests]
        sound = [each for each in texts if isinstance(each, list)]
        pooled = iter(self._embed_each(sound))
        return [
            _refusal(each) if isinstance(each, str) else _response(next(pooled)) for each in texts
        ]

    def _embed_each(self, pool):
        """One array, or one error, for each list of texts of ``pool``."""
        try:
            vectors = self._embed([text for texts in pool for text in texts])
        except pb_utils.TritonModelException as error:
            if len(pool) == 1:
                return [error]
            # One request's texts must not fail its neighbours.
            return [result for texts in pool for result in self._embed_each([texts])]
        return np.split(vectors, np.cumsum([len(texts) for texts in pool])[:-1])

    def _embed(self, texts):
        vectors = np.empty((len(texts), self._dim), np.float32)
        for batch in self._tokens.batches(texts, max_tokens=self._max_tokens, max_rows=self._max_rows):
            vectors[batch.rows] = self._encode(batch)
        return vectors

    def _encode(self, batch):
        response = pb_utils.InferenceRequest(
            model_name=self._encoder,
            model_version=self._version,
            requested_output_names=["embedding"],
            inputs=[
                pb_utils.Tensor("input_ids", batch.input_ids),
                pb_utils.Tensor("attention_mask", batch.attention_mask),
            ],
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        ).exec()
        if response.has_error():
            raise pb_utils.TritonModelException(response.error().message())
        return pb_utils.get_output_tensor_by_name(response, "embedding").as_numpy()


def _texts(request):
    """The request's texts, or why they cannot be read."""
    rows = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
    try:
        return [row.decode("utf-8") for row in rows]
    except UnicodeDecodeError as error:
        return f"TEXT is not UTF-8: {error.reason} at byte {error.start} of {error.object[:40]!r}"


def _refusal(why):
    return pb_utils.InferenceResponse(
        error=pb_utils.TritonError(why, pb_utils.TritonError.INVALID_ARG)
    )


def _response(result):
    if isinstance(result, Exception):
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(result)))
    return pb_utils.InferenceResponse([pb_utils.Tensor("EMBEDDING", result)])
