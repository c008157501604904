"""The same query as a good Spark engineer writes it.

One ONNX session for each Python worker (an iterator UDF), texts of like length in one batch, embeddings as
bytes, and an operator with state that waits until a window is whole.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import functions as F  # noqa: N812  the name that Spark's own documentation uses
from pyspark.sql.streaming import StatefulProcessor, StatefulProcessorHandle
from sklearn.cluster import KMeans

from benchmarks.peers.spark.programs.session import SCORED, TASK, events, run, session

BATCH = 32
_Frames = Iterator[pd.DataFrame]


def embed(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    import onnxruntime as ort  # noqa: PLC0415  only the workers need it
    from tokenizers import Tokenizer  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # there is a worker for each core
    graph = ort.InferenceSession(TASK["graph"], options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(TASK["tokenizer"])
    tokenizer.enable_padding()
    for texts in batches:
        order = np.argsort(texts.str.len().to_numpy(), kind="stable")
        vectors: list[bytes] = [b""] * len(texts)
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            tokens = tokenizer.encode_batch(texts.iloc[chosen].tolist())
            inputs = {
                "input_ids": np.array([token.ids for token in tokens], np.int64),
                "attention_mask": np.array([token.attention_mask for token in tokens], np.int64),
            }
            for place, vector in zip(chosen, graph.run(None, inputs)[0], strict=True):
                vectors[place] = vector.tobytes()
        yield pd.Series(vectors)


class Windows(StatefulProcessor):
    """Keeps the events of a window until the watermark passes its end. Spark passes arguments by name."""

    def init(self, handle: StatefulProcessorHandle) -> None:
        self._handle = handle
        self._events = handle.getListState("events", "id string, ts timestamp, embedding binary")

    def handleInputRows(self, key: Any, rows: Iterator[pd.DataFrame], timerValues: Any) -> _Frames:
        end_ms = (key[0] + TASK["length_s"]) * 1000
        if not any(time == end_ms for time in self._handle.listTimers()):
            self._handle.registerTimer(end_ms)
        for batch in rows:
            columns = (batch["id"], batch["ts"], batch["embedding"])
            self._events.appendList(list(zip(*columns, strict=True)))
        yield pd.DataFrame()

    def handleExpiredTimer(self, key: Any, timerValues: Any, expiredTimerInfo: Any) -> _Frames:
        # In an order that does not depend on arrival, because KMeans depends on the order.
        kept = sorted(self._events.get(), key=lambda event: (event[1], event[0]))
        self._events.clear()
        vectors = np.stack([np.frombuffer(event[2], np.float32) for event in kept])
        clusters = min(TASK["clusters"], len(vectors))
        kmeans = KMeans(n_clusters=clusters, random_state=TASK["seed"]).fit(vectors)
        distances = np.linalg.norm(vectors - kmeans.cluster_centers_[kmeans.labels_], axis=1)
        yield pd.DataFrame(
            {
                "window_start": pd.Timestamp(key[0], unit="s", tz="UTC"),
                "id": [event[0] for event in kept],
                "score": distances.astype(float),
                "rows": len(kept),
            }
        )

    def close(self) -> None:
        pass


state = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
spark = session(spark__sql__streaming__stateStore__providerClass=state)
embedding = F.pandas_udf(embed, "binary")
windows = F.window("ts", f"{TASK['length_s']} seconds", f"{TASK['slide_s']} seconds")
run(
    events(spark)
    .repartition(TASK["cores"])
    .withColumn("embedding", embedding("text"))
    .withWatermark("ts", f"{TASK['delay_s']} seconds")
    .select(F.unix_timestamp(windows["start"]).alias("start"), "id", "ts", "embedding")
    .groupBy("start")
    .transformWithStateInPandas(Windows(), SCORED, "Append", "EventTime")
)
