"""The built-in model is there, as after every start."""

from __future__ import annotations

import pytest

from modelsregistry.provisioning import provision


@pytest.fixture(autouse=True)
def local_model(db: None) -> None:
    provision({})
