"""Workspaces with adapters from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Call
from tests.elsewhere.shop import Shop


@pytest.fixture(scope="session")
def original(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Made once; tests only add folders beside the workspace."""
    return Shop.opened(tmp_path_factory.mktemp("shop"), bert)


@pytest.fixture
def shop(original: Shop, tmp_path: Path, call: Call) -> Shop:
    """A copy in the folder that commands run in."""
    return original.copied(tmp_path)


@pytest.fixture(scope="session")
def measured(original: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A copy in which the two from elsewhere were measured."""
    shop = original.copied(tmp_path_factory.mktemp("measured"))
    for adapter in (shop.few, shop.wide):
        shop.bench.exchange.test(adapter)
    return shop


@pytest.fixture
def counted(measured: Shop, tmp_path: Path, call: Call) -> Shop:
    """The measured ones in the folder that commands run in."""
    return measured.copied(tmp_path)
