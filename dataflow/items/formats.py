"""The version of the rows of each stream."""

from dataflow.items.alerts import ALERT_FORMAT
from dataflow.items.drift import DRIFT_FORMAT

#: Stream -> the version of its columns. A column that changes or goes increases it; a new column does not.
STREAM_FORMATS = {
    "scores": 1,
    "alerts": ALERT_FORMAT,
    "drift": DRIFT_FORMAT,
    "late": 1,
    "dead_letters": 1,
    "windows": 1,
}
