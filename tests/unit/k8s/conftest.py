"""The manifests as kustomize builds them."""

import pytest

from tests.support import manifests
from tests.support.manifests import OVERLAYS, Object


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Object]:
    """The objects of each overlay, without components."""
    return manifests.built(request.param)
