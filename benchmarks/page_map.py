"""How true the map of the live page is, beside other maps.

``python -m benchmarks.page_map`` fits each map on the first 1,000 events of a stream and places later ones.
Trustworthiness (Venna and Kaski, 2001) says how many of the ten nearest points on the map are neighbours
among the embeddings, too: 1 is all of them.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import TSNE, trustworthiness

from benchmarks.kit.corpus import SHARED
from benchmarks.kit.measure import table
from dashboard.projection import fitted
from dashboard.store.layout import FIT_EVENTS, Floats
from dataflow.embed import open_embedder
from dataflow.settings.embed import Embed

_LATER, _NEAREST = 1000, 5
Place = Callable[[Floats], Floats]


def pca(first: Floats) -> Place:
    return fitted(first).places


def discriminants(first: Floats) -> Place:
    labels = KMeans(32, n_init=4, random_state=0).fit_predict(first)
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=2)
    lda.fit(first, labels)
    place: Place = lda.transform
    return place


def between_neighbours(first: Floats) -> Place:
    """t-SNE of the first events; a later event lies between the nearest of them, weighted by likeness."""
    known = TSNE(2, random_state=0, init="pca", max_iter=500).fit_transform(first)

    def place(vectors: Floats) -> Floats:
        likeness = vectors @ first.T
        nearest = np.argpartition(-likeness, _NEAREST, axis=1)[:, :_NEAREST]
        weights = np.exp(30 * (np.take_along_axis(likeness, nearest, 1) - likeness.max(1, keepdims=True)))
        placed: Floats = (known[nearest] * weights[..., None]).sum(1) / weights.sum(1, keepdims=True)
        return placed

    return place


MAPS = {"PCA": pca, "LDA of 32 clusters": discriminants, "t-SNE, between neighbours": between_neighbours}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_map", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines with a text; default: shared streams")
    files = parser.parse_args().files or sorted(SHARED.glob("*.jsonl"))
    embedder = open_embedder(Embed(kind="onnx"))
    rows = []
    for path in files:
        records = [json.loads(line) for line in path.read_text().splitlines()[: 3 * FIT_EVENTS]]
        texts = [record.get("text") or record["message"] for record in records]
        vectors = np.vstack(
            [embedder.embed(texts[at : at + 256]).vectors for at in range(0, len(texts), 256)]
        )
        later = np.random.default_rng(0).permutation(vectors[FIT_EVENTS:])[:_LATER]
        for name, fit in MAPS.items():
            begin = time.perf_counter()
            place = fit(vectors[:FIT_EVENTS])
            middle = time.perf_counter()
            places = place(later)
            end = time.perf_counter()
            trusted = trustworthiness(later, places, n_neighbors=10)
            us = 1e6 * (end - middle) / len(later)
            rows.append((path.stem, name, f"{trusted:.3f}", f"{middle - begin:.1f}", f"{us:.0f}"))
    table("Maps", ("stream", "map", "trustworthiness", "fit, s", "place a row, us"), rows)


if __name__ == "__main__":
    main()
