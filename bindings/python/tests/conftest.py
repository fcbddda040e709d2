"""A store of its own for each test."""

from pathlib import Path

import pytest

import sessile

FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.fixture
def store(tmp_path):
    with sessile.Store(tmp_path / "sessions.db") as store:
        yield store


@pytest.fixture
def small():
    """A root of small sessions."""
    return FIXTURES / "kward" / "small"
