"""The page of what was reproduced names every entry that has a name from a paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.fusion.methods import COMPOSITIONS

PAGE = Path(__file__).parents[1] / "docs" / "evidence" / "reproduced.md"
OURS = {"isolated", "joint", "sequential", "ewc", "adapterfusion"}  # in tables
OURS |= {"stacked", "head-on-frozen"}  # controls
OURS |= {"given"}  # trained elsewhere, by whatever


@pytest.mark.parametrize("registry", [STRATEGIES, COMPOSITIONS, REPAIRS], ids=["strategies", "compositions", "repairs"])
def test_every_entry_is_on_the_page(registry: object) -> None:
    text = PAGE.read_text(encoding="utf-8")
    missing = [name for name in registry.names() if name not in OURS and f"`{name}`" not in text]  # type: ignore[attr-defined]
    assert not missing, f"docs/evidence/reproduced.md says nothing of {', '.join(missing)}"
