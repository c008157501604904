"""The events of incidents, as rows of ``ALERT`` name them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def members(rows: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Incident -> the ids of its events after all rows. Checks each row: what it names is what it counts."""
    found: dict[str, set[str]] = {}
    numbers = Counter[str]()
    for row in rows:
        assert row["sequence"] == numbers[row["incident"]]
        numbers[row["incident"]] += 1
        mine = found.setdefault(row["incident"], set())
        joined, left = set(row["event_ids"]), set(row["left_ids"])
        assert len(joined) == len(row["event_ids"])
        assert not joined & mine
        assert left <= mine
        mine |= joined
        mine -= left
        assert len(mine) + row["unnamed"] == row["count"]
        if row["state"] == "merged":
            found.setdefault(row["merged_into"], set()).update(found.pop(row["incident"]))
    return found
