"""The table of sources."""

import pytest

from dataflow.errors import SettingsError
from dataflow.source import SOURCES, partitions_with_data
from tests.support.sources import opened


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^source\.uri=pigeon:x: no source 'pigeon'; there are file,"):
        opened("pigeon:x")


def test_a_source_that_does_not_say_has_no_partitions_with_data() -> None:
    assert partitions_with_data(opened("stdin:")) == []
    assert partitions_with_data(opened("demo:?events=2")) == ["0", "1"]


def test_every_source_module_is_there() -> None:
    for module in SOURCES.values():
        assert __import__(module, fromlist=["open_source"]).open_source
