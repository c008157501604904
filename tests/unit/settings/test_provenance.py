"""Rows say which settings made them."""

import json

from dataflow.settings import STAGES, Settings, differences, load, provenance, to_metadata


def test_only_what_decides_rows_is_said_and_no_secret() -> None:
    said = provenance(
        load({"DRIFTLINE_KAFKA__SASL_USERNAME": "u", "DRIFTLINE_KAFKA__SASL_PASSWORD": "hidden"})
    )
    assert {stage: set(fields) for stage, fields in said.items()} == {
        "source": {"mask"},
        **{stage: set(STAGES[stage].model_fields) for stage in ("window", "score", "drift", "alert")},
    }
    assert "hidden" not in json.dumps(said)


def test_a_profile_differs_by_its_settings() -> None:
    found = differences(provenance(Settings()), load({"DRIFTLINE_PROFILE": "logs"}))
    assert found["alert.radius"] == (1.1, 0.8)
    assert "source.mask" in found
    assert not differences(
        provenance(load({"DRIFTLINE_PROFILE": "logs"})), load({"DRIFTLINE_PROFILE": "logs"})
    )


def test_a_setting_that_one_version_lacks_counts_as_its_default_or_as_a_difference() -> None:
    recorded = provenance(Settings())
    del recorded["window"]["delay"]
    assert not differences(recorded, Settings())
    recorded["score"]["former"] = True
    assert differences(recorded, Settings()) == {"score.former": (True, None)}


def test_equal_settings_are_equal_bytes() -> None:
    assert to_metadata(load({"DRIFTLINE_WINDOW__LENGTH": "600s"})) == to_metadata(Settings())
