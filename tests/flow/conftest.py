"""What several tests of the flow compare with."""

import pytest

from tests.support.flows import Undisturbed, environment, run, scores, write_stream


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    expected = write_stream(folder)
    run(environment(folder))
    return Undisturbed(expected, scores(folder / "out/scores.jsonl"))
