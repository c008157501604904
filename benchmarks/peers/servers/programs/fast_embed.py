"""fastembed as its documentation uses it. Argument: the folder of the model."""

import sys
from pathlib import Path

import numpy as np
from fastembed import TextEmbedding

from benchmarks.peers.servers.programs.library import BATCH, answer


def main(folder: str) -> None:
    name = f"sentence-transformers/{Path(folder).parent.name}"
    model = TextEmbedding(name, specific_model_path=folder, providers=["CPUExecutionProvider"])
    answer(lambda texts: np.stack(list(model.embed(texts, batch_size=BATCH))))


if __name__ == "__main__":
    main(sys.argv[1])
