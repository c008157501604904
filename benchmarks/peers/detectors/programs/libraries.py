"""Detectors of libraries, each as its documentation uses it, on the windows of a stream of embeddings.

Arguments: a file of numpy with ``vectors``, ``(n, dim)``, and ``windows``, ``(w, 3)``: the row of the first
event that is known before a window, the first event of the window, and the first event after it; and the file
of the answer. The answer has, for each detector, a value for each event, the highest of its windows, and the
CPU seconds of all windows.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from alibi_detect.od import IForest, Mahalanobis
from pyod.models.embedding import EmbeddingOD

#: With fewer earlier events, a detector says nothing.
LEAST = 50
#: PyOD's preset compares an event with so many others of the window, and raises an error if there are fewer.
NEIGHBOURS = 5
#: Takes earlier events and the events of a window, and returns a value for each of the latter.
Detector = Callable[[Any, Any], Any]


def embedding_od(preset: str) -> Detector:
    """PyOD's presets for texts. The embeddings are computed already, so the encoder passes them on."""

    def detect(earlier: Any, window: Any) -> Any:
        detector = EmbeddingOD.for_text(preset, encoder=np.asarray, random_state=0)
        return detector.fit(earlier).decision_function(window)

    return detect


def embedding_od_alone(preset: str) -> Detector:
    """The same on the window alone: events that are unusual among each other. It says nothing of a window
    with too few events.
    """

    def detect(_: Any, window: Any) -> Any:
        if len(window) <= NEIGHBOURS:
            return np.full(len(window), np.nan)
        return EmbeddingOD.for_text(preset, encoder=np.asarray, random_state=0).fit(window).decision_scores_

    return detect


def isolation_forest(earlier: Any, window: Any) -> Any:
    detector = IForest()
    detector.fit(earlier)
    return detector.score(window)


def mahalanobis(earlier: Any, window: Any) -> Any:
    """It learns while it scores, and takes ``rows * dim * dim`` numbers of memory for it."""
    detector = Mahalanobis()
    for batch in np.array_split(earlier, -(-len(earlier) // 50)):
        detector.score(batch)
    return detector.score(window)


FAST: dict[str, Detector] = {
    "PyOD EmbeddingOD fast": embedding_od("fast"),
    "the same, window alone": embedding_od_alone("fast"),
    "alibi-detect IForest": isolation_forest,
    "alibi-detect Mahalanobis": mahalanobis,
}
SLOW: dict[str, Detector] = {"PyOD EmbeddingOD balanced": embedding_od("balanced")}


def main(data: str, out: str, slow: bool) -> None:
    warnings.simplefilter("ignore")
    # It says for each window that it has no threshold, which nothing here needs.
    logging.getLogger("alibi_detect").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    stream = np.load(data)
    vectors, windows = stream["vectors"], stream["windows"]
    answer: dict[str, Any] = {}
    for name, detect in (FAST | (SLOW if slow else {})).items():
        best, began, scored = np.full(len(vectors), -np.inf), time.process_time(), 0
        for known, first, after in windows.tolist():
            if first - known < LEAST:
                continue
            found = np.asarray(detect(vectors[known:first], vectors[first:after]), np.float64)
            best[first:after] = np.maximum(best[first:after], np.nan_to_num(found, nan=-np.inf))
            scored += 1
        answer[name] = {
            "values": [value if np.isfinite(value) else None for value in best.tolist()],
            "cpu_s": time.process_time() - began,
            "windows": scored,
        }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], slow="--slow" in sys.argv)
