"""The numbers of docs/reference/what-there-is.md, and the names that have to stand there."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_workbench.experiments.arrivals import ARRIVALS
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.probes import PROBES

STATED = ["which needs transformers 4.57."]


def pieces() -> Iterator[str]:
    """Yield every entry of the registries that the page lists whole."""
    for whole in (KINDS, STRATEGIES, WAYS, SCENARIOS, ARRIVALS, PROBES, REPAIRS, ROUTERS, RECIPES):
        yield from (f"`{name}`" for name in whole.names())
