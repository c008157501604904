"""What a recovery store says that its state was made with."""

import pytest

from dataflow.recovery.provenance import FIXED, differences, made_with
from dataflow.settings import Settings


def changed(**window: object) -> set[str]:
    """The fixed names whose values differ from those of the defaults."""
    one = made_with(Settings(), dim=8, model="m 1")
    other = made_with(Settings.model_validate({"window": window}), dim=8, model="m 2")
    return {name for name in FIXED if one.get(name) != other.get(name)}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"delay": "1m", "max_jump": "2m", "idle_timeout": "1m", "remember": "2d", "on_eof": "keep"}, set()),
        ({"gap": "1h"}, set()),
        ({"length": "1h"}, {"window.length"}),
        ({"length": "600s", "slide": "PT5M"}, set()),
        ({"align_to": "1970-01-01T00:01:00Z"}, {"window.align_to"}),
        ({"kind": "tumbling"}, {"window.kind", "window.slide"}),
        (
            {"kind": "session"},
            {"window.kind", "window.length", "window.slide", "window.align_to", "window.gap"},
        ),
        ({"watermark": "key"}, {"window.watermark", "alert.per"}),
        ({"key_groups": 17}, {"window.key_groups"}),
        ({"allowed_lateness": "1h"}, {"window.allowed_lateness"}),
        ({"max_window_rows": 100}, {"window.max_window_rows"}),
        ({"max_window_bytes": 1_000_000}, {"window.max_window_bytes"}),
    ],
)
def test_what_the_state_depends_on(window: dict[str, object], expected: set[str]) -> None:
    assert changed(**window) == expected


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_window_rows", (100, 200)),
        ("max_window_bytes", (1_000_000, 2_000_000)),
        ("allowed_lateness", ("1us", "1h")),
    ],
)
def test_a_limit_or_a_lateness_may_have_another_value_if_there_was_one(
    name: str, values: tuple[object, object]
) -> None:
    """What was counted by key and as a sample goes on; what was not counted cannot be counted later."""
    one, other = (
        made_with(Settings.model_validate({"window": {name: value}}), dim=8, model="m") for value in values
    )
    assert one == other


def test_what_has_the_budget_of_alerts_is_fixed_where_there_are_alerts() -> None:
    def per(**stages: dict[str, object]) -> str | None:
        return made_with(Settings.model_validate(stages), dim=8, model="m").get("alert.per")

    assert [per(), per(alert={"per": "key"}), per(window={"watermark": "key"})] == ["stream", "key", "key"]
    assert per(score={"reference": False}) is None


def test_state_that_was_kept_by_key_and_not_by_key_group_is_refused() -> None:
    now = made_with(Settings(), dim=8, model="m")
    assert now["format"] == "9"
    assert differences({**now, "format": "2"}, now, FIXED) == ["format=2, and now it is 9"]
    assert differences({**now, "window.key_groups": "32"}, now, FIXED) == [
        "window.key_groups=32, and now it is 8"
    ]
    assert differences({**now, "model": "other"}, now, FIXED) == []


def test_state_that_started_windows_in_another_way_is_refused() -> None:
    cold, warm = (
        made_with(Settings.model_validate({"score": {"start": start}}), dim=8, model="m")
        for start in ("cold", "warm")
    )
    assert differences(cold, warm, FIXED) == ["score.start=cold, and now it is warm"]
    assert differences(warm, cold, FIXED) == ["score.start=warm, and now it is cold"]


def masking(*patterns: str) -> dict[str, str]:
    settings = Settings.model_validate({"source": {"mask": patterns}})
    return made_with(settings, dim=8, model="m")


def test_state_that_was_embedded_with_another_mask_is_refused() -> None:
    """A window that spans the change would mix masked and unmasked texts."""
    off, on, own = masking(), masking("number", "ip"), masking("ip", "host=web-.+", "number")
    assert differences(off, on, FIXED) == ["source.mask=unset, and now it is ip number"]
    assert differences(on, off, FIXED) == ["source.mask=ip number, and now it is unset"]
    assert differences(on, own, FIXED) == ["source.mask=ip number, and now it is host=web-.+ ip number"]


def test_the_order_of_patterns_matters_only_for_those_of_the_user() -> None:
    assert masking("ip", "number", "ip") == masking("number", "ip")
    assert masking("a=x", "b=y") != masking("b=y", "a=x")


def test_without_a_model_nothing_is_said_of_the_dimension() -> None:
    assert "embedding.dim" not in made_with(Settings(), dim=None, model="")


def test_whether_surge_is_computed_is_fixed() -> None:
    def made(**score: object) -> dict[str, str]:
        score = {"reference": True, "evidence": "score", **score}
        return made_with(Settings.model_validate({"score": score}), dim=8, model="m")

    every, none = made(), made(columns="")
    assert made(columns="surge", novelty_window=True) == every
    assert made(columns="novelty rarity") == none
    assert differences(every, none, FIXED) == [
        "score.columns=unset, and now it is without surge",
        "score.novelty_window=unset, and now it is false",
    ]
    assert differences(none, made(columns="", novelty_window=True), FIXED) == [
        "score.novelty_window=false, and now it is true"
    ]
