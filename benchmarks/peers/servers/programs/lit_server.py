"""A server of embeddings made with LitServe as its documentation does it.

Arguments: the folder of the model, and a port. A request brings its own batch, so LitServe makes none:
``OpenAIEmbeddingSpec`` allows one of the two.
"""

import sys
from typing import Any

import litserve
from sentence_transformers import SentenceTransformer

from benchmarks.peers.servers.programs.library import BATCH


class Embeddings(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._model = SentenceTransformer(sys.argv[1], device=device)

    def predict(self, x: list[str]) -> Any:
        return self._model.encode(x, batch_size=BATCH, show_progress_bar=False)


if __name__ == "__main__":
    api = Embeddings(spec=litserve.OpenAIEmbeddingSpec())
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
