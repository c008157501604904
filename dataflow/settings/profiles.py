"""Profiles: defaults that suit a kind of texts."""

from typing import Any, Literal

from dataflow.settings.group import Group

#: The name of a profile.
Profile = Literal["prose", "logs"]

#: Profile -> stage -> field -> the default that the profile changes.
PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    "prose": {},
    "logs": {
        "source": {"mask": ("path", "uuid", "time", "hex", "ip", "number")},
        "score": {
            "evidence": "novelty",
            "novelty_neighbours": 20,
            "novelty_window": True,
            "reference_least": 30,
        },
        "alert": {"radius": 0.8},
    },
}


def with_profile(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` of ``Settings``, and where they say nothing, the defaults of their profile.

    >>> with_profile({"profile": "logs", "source": {"mask": "ip"}})["source"]
    {'mask': 'ip'}
    """
    defaults = PROFILES.get(str(values.get("profile")), {})
    return values | {stage: fields | _written(values.get(stage, {})) for stage, fields in defaults.items()}


def _written(group: Group | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(group, Group):
        return group
    return {name: getattr(group, name) for name in group.model_fields_set}
