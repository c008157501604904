"""A profile gives defaults. A variable wins over the file, the file over the profile."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import SettingsError
from dataflow.recovery import provenance
from dataflow.settings import PROFILES, Score, Settings, Source, changed, load

Place = tuple[str, str]

PLACES = sorted({(stage, name) for each in PROFILES.values() for stage in each for name in each[stage]})
#: Place -> values for a variable, and for the file. No profile has them, but of a switch there are only two.
OTHERS: dict[Place, tuple[Any, Any]] = {
    ("source", "mask"): ("ip", ["uuid", "hex"]),
    ("score", "evidence"): ("rarity", "surge"),
    ("score", "novelty_neighbours"): (3, 7),
    ("score", "novelty_window"): (False, True),
    ("score", "reference_least"): (41, 43),
    ("alert", "radius"): (0.5, 0.7),
}
WRITTEN = st.sets(st.sampled_from(PLACES))


def value(settings: Settings, place: Place) -> Any:
    stage, name = place
    return getattr(getattr(settings, stage), name)


def as_read(place: Place, written: Any) -> Any:
    if place != ("source", "mask"):
        return written
    return tuple(written.split()) if isinstance(written, str) else tuple(written)


def load_both(in_file: dict[Place, Any], in_variables: dict[Place, Any], *profiles: str | None) -> Settings:
    """Load what is in a file and in variables. ``profiles``: that of the file, and that of the variables."""
    of_file, of_variables = profiles
    lines = [f"profile = {json.dumps(of_file)}"] if of_file else []
    for stage in sorted({stage for stage, _ in in_file}):
        lines += [f"[{stage}]"]
        lines += [f"{name} = {json.dumps(text)}" for (of, name), text in in_file.items() if of == stage]
    environ = {f"DRIFTLINE_{s}__{n}".upper(): str(text) for (s, n), text in in_variables.items()}
    if of_variables:
        environ["DRIFTLINE_PROFILE"] = of_variables
    with TemporaryDirectory() as folder:
        path = Path(folder, "driftline.toml")
        path.write_text("\n".join(lines))
        return load({"DRIFTLINE_CONFIG": str(path), **environ})


NAMES = st.sampled_from([None, *PROFILES])


@given(WRITTEN, WRITTEN, NAMES, NAMES)
def test_a_variable_wins_over_the_file_over_the_profile_over_the_default(
    in_variables: set[Place], in_file: set[Place], variable: str | None, file: str | None
) -> None:
    by_variable = {place: OTHERS[place][0] for place in in_variables}
    by_file = {place: OTHERS[place][1] for place in in_file}
    settings = load_both(by_file, by_variable, file, variable)
    profile = variable or file or "prose"
    assert settings.profile == profile
    for place in PLACES:
        stage, name = place
        expected = PROFILES[profile].get(stage, {}).get(name, value(Settings(), place))
        for written in (by_file, by_variable):
            expected = as_read(place, written[place]) if place in written else expected
        assert value(settings, place) == expected
    differing = {"profile"} if profile != "prose" else set()
    for place in in_variables | in_file:
        if value(settings, place) != value(Settings(profile=profile), place):
            differing.add(".".join(place))
    assert changed(settings).keys() == differing


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_changes_its_settings_and_no_others(profile: str) -> None:
    settings = load({"DRIFTLINE_PROFILE": profile})
    assert settings == Settings.model_validate({"profile": profile})
    for stage, group in Settings():
        if stage != "profile":
            defaults = PROFILES[profile].get(stage, {})
            assert getattr(settings, stage) == group.model_copy(update=defaults)


def test_groups_that_code_gives_win_over_the_profile() -> None:
    settings = Settings(profile="logs", source=Source(mask=()), score=Score(reference=False))
    assert settings.source.mask == ()
    assert settings.score == Score(reference=False, **PROFILES["logs"]["score"])


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DRIFTLINE_PROFILE": "log"}, "DRIFTLINE_PROFILE='log': Input should be 'prose' or 'logs'"),
        ({"DRIFTLINE_PROFILE__KIND": "logs"}, "DRIFTLINE_PROFILE__KIND: no such setting"),
        ({"DRIFTLINE_PROFIL": "logs"}, "DRIFTLINE_PROFIL: no such setting; a name is DRIFTLINE_PROFILE or"),
    ],
)
def test_a_wrong_profile_is_one_line_that_names_it(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile = 'log'", "profile='log': Input should be 'prose' or 'logs'"),
        ("[profile]\nname = 'logs'", "profile={'name': 'logs'}: Input should be"),
        ("profil = 'logs'", "'profil': no such setting; there are profile, and the tables source"),
        ("[score]\nprofile = 'logs'", "score.profile: no such setting; there are kind"),
    ],
)
def test_a_wrong_profile_of_a_file_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "driftline.toml"
    config.write_text(text)
    with pytest.raises(SettingsError, match=r"driftline\.toml: ") as caught:
        load({"DRIFTLINE_CONFIG": str(config)})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recovery_store_refuses_the_values_of_another_profile() -> None:
    prose, logs = (
        provenance.made_with(Settings(profile=profile), dim=8, model="m 1") for profile in ("prose", "logs")
    )
    assert provenance.differences(prose, logs, provenance.FIXED) == [
        "source.mask=unset, and now it is hex ip number path time uuid",
        "score.novelty_neighbours=1, and now it is 20",
    ]
