"""The real flow finds a burst of spam in a stream of SMS, which clusters of the window hide."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.kit.labelled import STREAMS, Case, sms
from benchmarks.quality import quality, scored, values
from dataflow.embed import open_embedder
from dataflow.settings import Embed

pytestmark = pytest.mark.integration


@pytest.mark.skipif(not STREAMS.exists(), reason="the labelled streams are not part of this repository")
def test_a_burst_is_found_by_surge_and_not_by_clusters(repository: Path) -> None:
    # The end of the history, and the first burst.
    events = sms("burst", 0.13, seed=0)[1500:2900]
    case = Case("burst", events, {"DRIFTLINE_SCORE__KIND": "kmeans"})
    found = values(case, scored(case, open_embedder(Embed(kind="onnx", repository=repository))))
    measured = {column: quality(case, numbers) for column, numbers in found.items()}
    assert np.isfinite(found["anomaly"][430:]).all()
    assert measured["score"].auroc < 0.5
    assert measured["surge"].auroc > 0.95
    assert measured["anomaly"].auroc > 0.93
    assert measured["anomaly"].ap > 0.8
