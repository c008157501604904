"""What all groups of settings have in common."""

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """The settings of one stage: frozen; unknown names are refused.

    The docstring below a field is its entry in the reference. Durations are ``timedelta``; see
    :func:`dataflow.settings.values.duration` for how to write them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
