"""The check that this version reads a state."""

from collections.abc import Mapping
from typing import Any


def check_format(state: Mapping[str, Any] | None, readable: int, what: str) -> None:
    """Raise ``ValueError`` if a state has another format than ``readable``. ``what`` is in the message.

    >>> check_format({"format": 1}, 2, "chunk")
    Traceback (most recent call last):
    ValueError: the chunk state has format 1, this version reads 2
    """
    if state is not None and state["format"] != readable:
        raise ValueError(f"the {what} state has format {state['format']}, this version reads {readable}")
