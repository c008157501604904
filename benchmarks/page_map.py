"""How true the map of the live page is, beside other maps.

``python -m benchmarks.page_map`` fits each map on the first 1,000 events of a stream and places later ones.
Trustworthiness (Venna and Kaski, 2001) says how many of the ten nearest points on the map are neighbours
among the embeddings, too: 1 is all of them. Stillness: an event is placed with two sets of other events, and
the distance between its two places is given as a share of the map's width (the median, and one in twenty).
UMAP and PaCMAP take part if ``umap-learn`` and ``pacmap`` are installed.
"""

import argparse
import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import TSNE, trustworthiness

from benchmarks.kit.corpus import SHARED
from benchmarks.kit.measure import table
from dashboard.projection import fitted
from dashboard.store.layout import FIT_EVENTS, Floats
from dataflow.embed import open_embedder
from dataflow.settings.embed import Embed

_LATER, _NEAREST, _WARM_UP = 1000, 5, 200
Place = Callable[[Floats], Floats]
Fit = Callable[[Floats], Place]


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


def umap(first: Floats) -> Place:
    model = importlib.import_module("umap").UMAP(metric="cosine", random_state=0, n_jobs=1).fit(first)
    place: Place = model.transform
    return place


def pacmap(first: Floats) -> Place:
    model = importlib.import_module("pacmap").PaCMAP(random_state=0, save_tree=False)
    model.fit_transform(first, init="pca")
    return lambda vectors: np.asarray(model.transform(vectors, basis=first), np.float32)


_PLAIN: dict[str, Fit] = {
    "PCA": pca,
    "LDA of 32 clusters": discriminants,
    "t-SNE, between neighbours": between_neighbours,
}
#: Module -> the name of the map, and its fit.
_OPTIONAL: dict[str, tuple[str, Fit]] = {"umap": ("UMAP", umap), "pacmap": ("PaCMAP", pacmap)}


def maps() -> dict[str, Fit]:
    """The maps whose libraries are installed. The compiler of their libraries has run."""
    found = dict(_PLAIN)
    for module, (name, fit) in _OPTIONAL.items():
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            print(f"{name} is left out: {error.name} is not installed")
            continue
        rows = np.random.default_rng(0).standard_normal((_WARM_UP, 384)).astype(np.float32)
        fit(rows)(rows)
        found[name] = fit
    return found


def moved(place: Place, later: Floats, others: Floats) -> npt.NDArray[np.float64]:
    """``(n // 2,)``: how far events move if other events are placed with them, in widths of the map.

    The first half of ``later`` is placed with the second half, and then with ``others`` in another order.
    """
    half = len(later) // 2
    order = np.random.default_rng(1).permutation(half + len(others))
    together = place(np.vstack([later[:half], others])[order])
    again = np.empty_like(together)
    again[order] = together
    alone = place(later)
    width = np.ptp(alone, axis=0).max()
    return np.asarray(np.linalg.norm(alone[:half] - again[:half], axis=1) / width, np.float64)


def measured(fit: Fit, vectors: Floats, events: int) -> list[str]:
    rng = np.random.default_rng(0)
    rest = rng.permutation(vectors[events:])
    later, others = rest[:_LATER], rest[_LATER : 2 * _LATER]
    begin = time.perf_counter()
    place = fit(vectors[:events])
    middle = time.perf_counter()
    places = place(later)
    end = time.perf_counter()
    trusted = trustworthiness(later, places, n_neighbors=10)
    still = moved(place, later, others) if len(others) else moved(place, later, later[: len(later) // 4])
    return [
        f"{trusted:.3f}",
        f"{middle - begin:.1f}",
        f"{1e6 * (end - middle) / len(later):.0f}",
        f"{np.median(still):.3f}, {np.quantile(still, 0.95):.3f}",
    ]


def embeddings(path: Path, rows: int) -> Floats:
    """``(n, dim)``: the embeddings of the first ``rows`` texts."""
    records = [json.loads(line) for line in path.read_text().splitlines()[:rows]]
    texts = [record.get("text") or record["message"] for record in records]
    embedder = open_embedder(Embed(kind="onnx"))
    return np.vstack([embedder.embed(texts[at : at + 256]).vectors for at in range(0, len(texts), 256)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_map", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines with a text; default: shared streams")
    parser.add_argument("--fit", type=int, default=FIT_EVENTS, help="events; default: %(default)s")
    arguments = parser.parse_args()
    fits, rows = maps(), []
    for path in arguments.files or sorted(SHARED.glob("*.jsonl")):
        vectors = embeddings(path, arguments.fit + 2 * _LATER)
        for name, fit in fits.items():
            rows.append((path.stem, name, *measured(fit, vectors, arguments.fit)))
    heads = ("stream", "map", "trustworthiness", "fit, s", "place a row, us", "moved: median, 1 in 20")
    table(f"Maps, fitted on the first {arguments.fit} events", heads, rows)


if __name__ == "__main__":
    main()
