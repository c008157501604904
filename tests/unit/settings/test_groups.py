"""Settings groups: each setting has a description, and settings that contradict each other are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from dataflow.settings import MOST_WINDOWS, STAGES, Embed, Settings, Window

FIELDS = [(stage, name) for stage, group in STAGES.items() for name in group.model_fields]


def description(stage: str, name: str) -> str:
    return " ".join((STAGES[stage].model_fields[name].description or "").split())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_group_has_a_description(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")
    assert name not in STAGES or STAGES[name].__doc__


@pytest.mark.parametrize(("stage", "name"), FIELDS)
def test_every_setting_has_a_description(stage: str, name: str) -> None:
    said = description(stage, name)
    assert said[:1].isupper()
    assert said.endswith(".")


@pytest.mark.parametrize(("stage", "name"), FIELDS)
def test_a_setting_that_may_be_unset_says_what_that_means(stage: str, name: str) -> None:
    may_be_unset = STAGES[stage].model_fields[name].default is None
    assert ("Unset: " in description(stage, name)) == may_be_unset


@pytest.mark.parametrize(
    "options",
    [
        {"follow": True, "version": "3"},
        {"tls_ca": "ca.pem", "tls_certificate": "client.pem"},
        {"tls_ca": "ca.pem", "tls_key": "client.key"},
        {"tls_certificate": "client.pem", "tls_key": "client.key"},
        {"version": "newest"},
        {"version": "3+d3"},
    ],
)
def test_embed_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Embed.model_validate(options)


def test_sliding_windows_are_neither_too_many_nor_apart() -> None:
    slide = Window().slide
    assert Window(length=slide * MOST_WINDOWS).slide == slide
    with pytest.raises(ValidationError, match=r"5,001 times window\.slide"):
        Window(length=slide * (MOST_WINDOWS + 1))
    with pytest.raises(ValidationError, match="longer than"):
        Window(length=slide / 2)
    assert Window(kind="tumbling", length=slide / 2).length == slide / 2


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("key_groups", 1, 4096), ("max_window_rows", 100, None), ("max_window_bytes", 1_000_000, None)],
)
def test_a_number_of_the_windows_has_its_bounds(name: str, least: int, most: int | None) -> None:
    for permitted in (least, most or 10**12):
        assert getattr(Window.model_validate({name: permitted}), name) == permitted
    for refused in (least - 1, *([most + 1] if most else [])):
        with pytest.raises(ValidationError, match=name):
            Window.model_validate({name: refused})


def test_the_watermark_is_that_of_the_stream_or_of_each_key() -> None:
    assert Window().watermark == "stream"
    assert Window(watermark="key").watermark == "key"
    with pytest.raises(ValidationError, match="watermark"):
        Window.model_validate({"watermark": "partition"})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().window.kind = "session"
