"""Times in outputs, as integers."""

from datetime import datetime

import numpy as np

from dataflow.clock import micros


def in_micros(value: object) -> int:
    """Microseconds since the Unix epoch of a time as an output has it. Raises ``ValueError``.

    >>> in_micros("1970-01-01T00:00:01.500000Z"), in_micros(7)
    (1500000, 7)
    """
    if isinstance(value, str) and value.endswith("Z"):
        return int(np.datetime64(value[:-1], "us").astype(np.int64))
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{str(value)[:40]!r} is no time")
