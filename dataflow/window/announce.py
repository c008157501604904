"""Says which events have come, before their windows end."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.early import Arrived
from dataflow.items.windows import KeyWindow
from dataflow.window.aligned import Aligned
from dataflow.window.group import Group
from dataflow.window.messages import Gather, Output


def announce(group: Group, rows: pa.RecordBatch, watermark: Int64s, emissions: int, output: Output) -> None:
    """Add ``Arrived`` to ``output`` for events that are not late, and give them a place among the emissions.

    An event comes after the emissions of windows that end at its watermark or before, and before all others.
    So the place does not depend on the batch that the event came in.

    ``rows``: the ``n`` events of a call. ``watermark``: ``(n,)``, right before each of them, ascending.
    ``emissions``: how many emissions the group had before the call. ``output``: all orders of the call.
    """
    assert isinstance(group.assigner, Aligned)
    if not len(rows):
        return
    ends = _ends(output, emissions)
    first = group.assigner.first_open(watermark)
    bounds = [0, *(np.flatnonzero(np.diff(first)) + 1).tolist(), len(rows)]
    for begin, stop in itertools.pairwise(bounds):
        window = int(first[begin])
        passed = group.assigner.span(None, window - 1)[1]
        before = next((place for place, end in enumerate(ends) if end > passed), len(ends))
        start, end = group.assigner.span(None, window)
        arrived = Arrived(
            group.arrivals, emissions + before, start, end, passed, rows.slice(begin, stop - begin)
        )
        output.arrived.append(arrived)
        group.arrivals += 1
    for place, order in enumerate(output.orders):
        if isinstance(order, Gather):
            after = sum(arrived.emissions <= order.emission for arrived in output.arrived)
            output.orders[place] = replace(order, arrived=order.arrived + after)


def _ends(output: Output, emissions: int) -> list[int]:
    """The ends of the windows of the emissions from number ``emissions`` on, in their order."""
    ends: dict[int, int] = {}
    for order in output.orders:
        if isinstance(order, Gather):
            windows = order.windows
            window = windows if isinstance(windows, KeyWindow) else next(iter(windows.values()))
            ends[order.emission] = window.ref.end
    return [ends[number] for number in range(emissions, emissions + len(ends))]
