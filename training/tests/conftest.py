"""Fixtures that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages_support import prepare


@pytest.fixture(scope="session")
def stage0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny recipe's path, with its data there and its stage 0 run."""
    return prepare(tmp_path_factory.mktemp("stage0"))
