"""The query of the article on Spark Structured Streaming, as the article writes it."""

from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import functions as F  # noqa: N812  the name that Spark's own documentation uses
from sentence_transformers import SentenceTransformer
from sklearn.cluster import KMeans

from benchmarks.peers.spark.programs.session import SCORED, TASK, events, run, session

spark = session()


@F.pandas_udf("array<float>")
def embed(texts: pd.Series) -> pd.Series:
    model = SentenceTransformer(TASK["model"])
    return pd.Series(model.encode(texts.tolist(), show_progress_bar=False).tolist())


def score(key: Any, window: pd.DataFrame) -> pd.DataFrame:
    """``rows``: how many events of the window are in this group."""
    vectors = np.array(window["embedding"].tolist(), np.float32)
    kmeans = KMeans(n_clusters=min(TASK["clusters"], len(vectors)), random_state=TASK["seed"]).fit(vectors)
    distances = np.linalg.norm(vectors - kmeans.cluster_centers_[kmeans.labels_], axis=1)
    return pd.DataFrame(
        {
            "window_start": key[0]["start"],
            "id": window["id"],
            "score": distances.astype(float),
            "rows": len(window),
        }
    )


windows = F.window("ts", f"{TASK['length_s']} seconds", f"{TASK['slide_s']} seconds")
run(
    events(spark)
    .withWatermark("ts", f"{TASK['delay_s']} seconds")
    .withColumn("embedding", embed("text"))
    .groupBy(windows)
    .applyInPandas(score, SCORED)
)
