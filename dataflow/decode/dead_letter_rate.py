"""Stops the flow if too many records become dead letters: a wrong schema is not a million bad records."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import DeadLettersError

#: The share is that of so many records of a partition, one after the other.
RECORDS = 1000


class DeadLetterRate:
    """Watches the share of dead letters among the last ``RECORDS`` records of each partition.

    ``most``: the highest share that is allowed, from 0 to 1; ``None``: any. The share depends on the records
    alone, not on how a source cuts them into batches. Counting begins again at each start of the process. The
    workers of a process may share this object, because one worker reads a partition.
    """

    def __init__(self, most: float | None) -> None:
        self._most = most
        #: Partition -> whether each of its last records, at most ``RECORDS - 1``, is a dead letter.
        self._recent: dict[str, npt.NDArray[np.bool_]] = {}

    def check(self, raw: pa.RecordBatch, letters: pa.RecordBatch) -> None:
        """Count the records ``raw`` of one partition, of which ``letters`` are dead letters.

        Raises ``DeadLettersError`` if the share of dead letters is too high at one of the records.
        """
        if self._most is None:
            return
        partition, offsets = raw.column("partition")[0].as_py(), raw.column("offset").to_numpy()
        dead = np.isin(offsets, letters.column("offset").to_numpy())
        recent = np.concatenate([self._recent.get(partition, np.zeros(0, bool)), dead])
        sums = np.concatenate([[0], np.cumsum(recent)])
        counts = sums[RECORDS:] - sums[:-RECORDS]
        if (too_many := counts / RECORDS > self._most).any():
            first = int(too_many.argmax())
            at = offsets[first - len(counts)]
            raise DeadLettersError(
                f"{partition}: {counts[first]} of {RECORDS} records up to offset {at} are dead letters, more "
                f"than source.max_dead_letter_rate={self._most:g} allows; see the dead letters, correct "
                "the sender or the settings of the source, and start again"
            )
        self._recent[partition] = recent[1 - RECORDS :]
