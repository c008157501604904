"""The assigner for each kind of windows that ``window.kind`` may name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dataflow import settings
from dataflow.clock import micros
from dataflow.window.aligned import Aligned
from dataflow.window.assigner import Assigner, Pane
from dataflow.window.session import Sessions


def open_assigner(
    options: settings.Window, panes: Callable[[], Iterable[Pane]], state: Mapping[str, Any] | None
) -> Assigner:
    """The assigner that the options ask for.

    ``panes`` returns the panes that hold rows. ``state`` is what the assigner's ``snapshot`` returned.
    """
    lateness = micros(options.allowed_lateness)
    if options.kind == "session":
        return Sessions(micros(options.gap), lateness, state)
    length = micros(options.length)
    slide = length if options.kind == "tumbling" else micros(options.slide)
    return Aligned(length, slide, micros(options.align_to), lateness, panes, state)
