"""Characters that several tests look at."""

from __future__ import annotations

import pytest
from drawn_figures import HANGING, VERTICES, person

from osf_pipeline.character.build import BuildReport, build_character
from osf_pipeline.character.character import Character


@pytest.fixture(scope="session")
def spread() -> tuple[Character, BuildReport]:
    """A person with its arms away from the body."""
    return build_character(person(), VERTICES)


@pytest.fixture(scope="session")
def hanging() -> tuple[Character, BuildReport]:
    """A person whose arms touch the body all along."""
    return build_character(person(HANGING), VERTICES)
