"""Settings: what is read, and that a wrong one is one line that names it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import SettingsError
from dataflow.settings import Score, Settings, bytewax_run, changed, duration, load


def test_without_anything_the_defaults_hold() -> None:
    assert load({}) == load({"PATH": "/bin", "DRIFTLINE_CONFIG": ""}) == Settings()


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "driftline.toml"
    config.write_text('[window]\nlength = "1h"\nslide = "PT30M"\n[score]\nclusters = 3\n')
    settings = load({"DRIFTLINE_CONFIG": str(config), "DRIFTLINE_WINDOW__LENGTH": "2h"})
    assert settings.window.length == timedelta(hours=2)
    assert settings.window.slide == timedelta(minutes=30)
    assert settings.score.clusters == 3


def test_several_sinks_are_separated_by_blanks() -> None:
    assert load({"DRIFTLINE_SINK__SCORES": "stdout:  file:a.jsonl"}).sink.scores == (
        "stdout:",
        "file:a.jsonl",
    )
    assert load({"DRIFTLINE_SINK__LATE": ""}).sink.late == ()


def test_an_empty_text_leaves_explanations_out(tmp_path: Path) -> None:
    config = tmp_path / "driftline.toml"
    config.write_text('[score]\nexplain = ""\n')
    assert load({"DRIFTLINE_CONFIG": str(config)}).score.explain is None
    assert load({"DRIFTLINE_SCORE__EXPLAIN": "", "DRIFTLINE_SCORE__REFERENCE": "false"}).score.explain is None
    assert load({"DRIFTLINE_SCORE__EXPLAIN": "0"}).score.explain == 0
    assert load({"DRIFTLINE_SCORE__REFERENCE": "false"}).score == Score(reference=False)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"DRIFTLINE_WINDOW__LENGHT": "10m"},
            "WINDOW__LENGHT: no such setting; there are kind, length",
        ),
        ({"DRIFTLINE_WINDW__LENGTH": "10m"}, "DRIFTLINE_WINDW__LENGTH: no such setting"),
        ({"DRIFTLINE_WINDOW": "10m"}, "DRIFTLINE_WINDOW: no such setting"),
        ({"DRIFTLINE_WINDOW__LENGTH": "10"}, "DRIFTLINE_WINDOW__LENGTH='10': not a duration"),
        ({"DRIFTLINE_WINDOW__LENGTH": "-5m"}, "DRIFTLINE_WINDOW__LENGTH='-5m': not a duration"),
        ({"DRIFTLINE_WINDOW__LENGTH": "0s"}, "DRIFTLINE_WINDOW__LENGTH='0s': must be longer than zero"),
        ({"DRIFTLINE_WINDOW__LENGTH": "9e9d"}, "DRIFTLINE_WINDOW__LENGTH='9e9d': not a duration"),
        ({"DRIFTLINE_WINDOW__LENGTH": "9999999999d"}, "DRIFTLINE_WINDOW__LENGTH='9999999999d': too long"),
        ({"DRIFTLINE_WINDOW__SLIDE": "1h"}, "window.slide is longer than window.length"),
        (
            {"DRIFTLINE_SCORE__REFERENCE": "false", "DRIFTLINE_SCORE__EXPLAIN": "2"},
            "score.explain needs a reference: set score.reference = true",
        ),
        (
            {"DRIFTLINE_SCORE__START": "warm", "DRIFTLINE_SCORE__KIND": "knn"},
            "score.start = warm needs clusters, which knn does not make: set score.kind = kmeans",
        ),
        (
            {"DRIFTLINE_SCORE__REFERENCE": "false", "DRIFTLINE_SCORE__PINNED": "a.jsonl"},
            "score.pinned needs a reference: set score.reference = true",
        ),
        ({"DRIFTLINE_SCORE__REFERENCE_LEAST": "3000"}, "score.reference_least is more than"),
        (
            {"DRIFTLINE_SCORE__COLUMNS": "novelty rarity"},
            "score.evidence = sum needs surge, which score.columns does not name: add surge to score.columns",
        ),
        (
            {"DRIFTLINE_SCORE__COLUMNS": "surge", "DRIFTLINE_SCORE__EVIDENCE": "rarity"},
            "score.evidence = rarity needs rarity, which score.columns does not name",
        ),
        ({"DRIFTLINE_SCORE__COLUMNS": "novelty surge kmeans"}, "DRIFTLINE_SCORE__COLUMNS"),
        ({"DRIFTLINE_SOURCE__TS_ZONE": "Mars/X"}, "DRIFTLINE_SOURCE__TS_ZONE='Mars/X': not a time zone"),
        ({"DRIFTLINE_SCORE__CLUSTERS": "many"}, "DRIFTLINE_SCORE__CLUSTERS='many'"),
        ({"DRIFTLINE_EMBED__KIND": "gpu"}, "DRIFTLINE_EMBED__KIND='gpu'"),
        ({"DRIFTLINE_CONFIG": "/does/not/exist"}, "DRIFTLINE_CONFIG=/does/not/exist: No such file"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[windw]\nlength = '1h'", "windw"),
        ("window = '1h'", "'window' is not a table"),
        ("[window", "not TOML"),
        ("[window]\nlength = 10", "window.length"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "driftline.toml"
    config.write_text(text)
    with pytest.raises(SettingsError, match=r"driftline\.toml") as caught:
        load({"DRIFTLINE_CONFIG": str(config)})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_is_never_shown() -> None:
    settings = load({"DRIFTLINE_KAFKA__SASL_PASSWORD": "hunter2"})
    assert "hunter2" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        load({"DRIFTLINE_KAFKA__SASL_PASSWROD": "hunter2"})
    assert "hunter2" not in str(caught.value)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_durations_are_read_as_they_are_written(value: timedelta) -> None:
    total = value // timedelta(microseconds=1)
    seconds, micros = divmod(total, 1_000_000)
    assert duration(f"{total}us") == value
    assert duration(f"{seconds}s{micros}us") == value
    assert duration(f"PT{seconds}.{micros:06d}S") == value


@pytest.mark.parametrize(
    ("arguments", "environ", "store", "addresses"),
    [
        ([], {}, None, ()),
        (["dataflow.flow:flow", "-r", "db", "-s", "10", "-b", "0"], {}, "db", ()),
        (["dataflow.flow:flow", "--recovery-directory=db", "-w", "2"], {}, "db", ()),
        ([], {"BYTEWAX_RECOVERY_DIRECTORY": "db"}, "db", ()),
        (["-r", "mine"], {"BYTEWAX_RECOVERY_DIRECTORY": "db"}, "mine", ()),
        (["-i", "0", "-a", "a:1;b:1"], {}, None, ("a:1", "b:1")),
        ([], {"BYTEWAX_ADDRESSES": "a:1; b:1"}, None, ("a:1", "b:1")),
    ],
)
def test_what_bytewax_is_asked_to_do(
    arguments: list[str], environ: dict[str, str], store: str | None, addresses: tuple[str, ...]
) -> None:
    run = bytewax_run(arguments, environ)
    assert run.recovery == (Path(store) if store else None)
    assert run.addresses == addresses
    assert run.cluster == (len(addresses) > 1)


def test_the_hostfile_has_the_addresses(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("a:1\nb:1\n")
    assert bytewax_run([], {"BYTEWAX_HOSTFILE_PATH": str(tmp_path / "hosts")}).addresses == ("a:1", "b:1")


@pytest.mark.parametrize(
    ("arguments", "environ", "process"),
    [
        ([], {}, 0),
        (["-i", "2"], {"BYTEWAX_PROCESS_ID": "1"}, 2),
        ([], {"BYTEWAX_PROCESS_ID": "1"}, 1),
        ([], {"BYTEWAX_POD_NAME": "my-flow-3", "BYTEWAX_STATEFULSET_NAME": "my-flow"}, 3),
        ([], {"BYTEWAX_POD_NAME": "my-flow-3"}, 0),
    ],
)
def test_which_process_of_a_cluster_it_is(
    arguments: list[str], environ: dict[str, str], process: int
) -> None:
    assert bytewax_run(arguments, environ).process == process


OPTIONS = {"AWS_REGION": "x", "AWS_SECRET_ACCESS_KEY": "sesame"}


def test_options_of_an_object_store_are_an_object_or_a_table_and_are_never_shown(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[delta.storage_options]\nAWS_REGION = "x"\nAWS_SECRET_ACCESS_KEY = "sesame"')
    of_variable = load({"DRIFTLINE_DELTA__STORAGE_OPTIONS": json.dumps(OPTIONS)})
    for settings in (of_variable, load({}, config=config)):
        assert settings.delta.options == OPTIONS
        assert "sesame" not in f"{changed(settings)}{settings!r}"


@pytest.mark.parametrize("text", ["sesame", '["sesame"]', '{"KEY": 7, "SECRET": "sesame"}', ""])
def test_options_that_are_no_object_of_texts_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="write a JSON object of texts") as caught:
        load({"DRIFTLINE_DELTA__STORAGE_OPTIONS": text})
    assert "sesame" not in str(caught.value)
