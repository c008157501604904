"""The map: places, clusters and scores of rows as an Arrow stream."""

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from dashboard.queries.filters import Filter, Filters
from dashboard.store.layout import Projection
from dashboard.store.store import Moment

MOST_POINTS = 200_000


def points(moment: Moment, filters: Filters, wanted: Filter, projection: Projection, limit: int) -> bytes:
    """At most ``limit`` rows of the filter as an Arrow stream.

    If there are more, the events with the lowest hashes are chosen, so that the same ones come again.
    """
    rows = moment.scores
    columns = rows.columns
    places = np.flatnonzero(filters.mask(moment, wanted) & ~np.isnan(columns["x"]))
    total = len(places)
    if total > limit:
        places = np.sort(places[np.argpartition(columns["event"][places], limit)[:limit]])
    x, y = columns["x"][places], columns["y"][places]
    anomaly = columns["anomaly"][places]
    batch = pa.record_batch(
        {
            "row": pa.array(places + rows.first, pa.int64()),
            "x": pa.array(x),
            "y": pa.array(y),
            "cluster": pa.array(columns["cluster"][places]),
            "anomaly": pa.array(anomaly.astype(np.float32), from_pandas=True),
            "score": pa.array(columns["score"][places].astype(np.float32)),
            "ts": pa.array(columns["ts"][places]),
            "window_start": pa.array(columns["window_start"][places]),
            "reference": pa.array(places + rows.first < moment.map.fitted_end),
        }
    )
    said = {
        "fitted_rows": str(projection.events),
        "method": projection.method,
        "bounds": orjson.dumps(_bounds(columns["x"], columns["y"])).decode(),
        "total": str(total),
        "generation": str(moment.generation),
    }
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema.with_metadata(said)) as stream:
        stream.write_batch(batch)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _bounds(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> list[float]:
    """Lowest x and y, highest x and y of all rows, so that the view does not depend on the filter."""
    known = ~np.isnan(x)
    if not known.any():
        return [0.0, 0.0, 1.0, 1.0]
    return [float(each) for each in (x[known].min(), y[known].min(), x[known].max(), y[known].max())]
