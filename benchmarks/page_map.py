"""How true the map of the live page is, beside other maps.

``python -m benchmarks.page_map`` fits each map on the first 1,000 events of a stream and places later ones.
Trustworthiness (Venna and Kaski, 2001) says how many of the ten nearest points on the map are neighbours
among the embeddings, too: 1 is all of them. New ones apart: events of another stream are placed as well, and
the figure is how often one of these is farther from the first events, on the map, than an event of the same
stream (AUROC; 0.5 is chance). Moved: how far an event moves if it is placed alone instead of with others, in
widths of the map. UMAP and PaCMAP take part if ``umap-learn`` and ``pacmap`` are installed.
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
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import middle, report
from benchmarks.kit.measure import table
from dashboard.projection import fitted
from dashboard.store.layout import FIT_EVENTS, Floats
from dataflow.embed import open_embedder
from dataflow.settings.embed import Embed

_LATER, _NEAREST, _WARM_UP, _ALONE = 1000, 5, 200, 10
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


def moved(place: Place, later: Floats, places: Floats) -> npt.NDArray[np.float64]:
    """``(n,)``: how far events move if each is placed alone, in widths of the map.

    ``places``: where they are if they are placed together.
    """
    alone = np.vstack([place(later[at : at + 1]) for at in range(_ALONE)])
    found = np.linalg.norm(alone - places[:_ALONE], axis=1) / np.ptp(places, axis=0).max()
    return np.asarray(found, np.float64)


def apart(first: Floats, later: Floats, new: Floats) -> float:
    """How often the place of a new event is farther from ``first`` than one of ``later``: the AUROC."""
    known = NearestNeighbors(n_neighbors=_NEAREST).fit(first)
    distances = [known.kneighbors(places)[0][:, -1] for places in (later, new)]
    is_new = np.repeat([0, 1], [len(later), len(new)])
    return float(roc_auc_score(is_new, np.concatenate(distances)))


def measured(fit: Fit, first: Floats, later: Floats, new: Floats) -> list[str]:
    begin = time.perf_counter()
    place = fit(first)
    middle = time.perf_counter()
    places = place(later)
    end = time.perf_counter()
    return [
        f"{trustworthiness(later, places, n_neighbors=10):.3f}",
        f"{apart(place(first), places, place(new)):.2f}",
        f"{moved(place, later, places).max():.3f}",
        f"{middle - begin:.1f}",
        f"{1e6 * (end - middle) / len(later):.0f}",
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
    if not arguments.files and not is_here(SHARED):
        return
    files = arguments.files or sorted(SHARED.glob("*.jsonl"))
    fits, rows, rng = maps(), [], np.random.default_rng(0)
    firsts, laters = {}, {}
    for path in files:
        vectors = embeddings(path, arguments.fit + 2 * _LATER)
        firsts[path], laters[path] = (
            vectors[: arguments.fit],
            rng.permutation(vectors[arguments.fit :])[:_LATER],
        )
    for path, other in zip(files, files[1:] + files[:1], strict=True):
        for name, fit in fits.items():
            rows.append((path.stem, name, *measured(fit, firsts[path], laters[path], laters[other])))
            print(*rows[-1], flush=True)
    heads = ("stream", "map", "trustworthiness", "new ones apart", "moved at most", "fit, s", "place, us")
    table(f"Maps, fitted on the first {arguments.fit} events", heads, rows)
    report([middle(f"trustworthiness of the map, {row[1]}, {row[0]}", [float(row[2])]) for row in rows])


if __name__ == "__main__":
    main()
