"""The numbers of docs/what-there-is.md, and the names of the registries' entries that have to stand there."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_workbench.experiments.arrivals import ARRIVALS
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies.repair.recipe import all_repairs
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import BACKBONES
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.probes import PROBES

STATED = ["which needs transformers 4.57."]


def pieces() -> Iterator[str]:
    """Yield how many entries each registry has, and every entry of those that the page lists whole."""
    yield f"| methods | {len(METHODS.names())}, from"
    yield f"| strategies | {len(STRATEGIES.names())} |"
    yield f"| ways to update | {len(WAYS.names())} |"
    yield f"| scenarios | {len([*SCENARIOS.names(), *ARRIVALS.names()])} |"
    yield f"| probes | {len(PROBES.names())} |"
    yield f"| repairs | {len(all_repairs())} and their control |"
    yield f"| compositions | {len(COMPOSITIONS.names())}, from"
    yield f"| routers | {len(ROUTERS.names())} |"
    yield f"| backbones | {len(BACKBONES.names())} by name"
    yield f"| tasks | {len(registry.names())} in the catalog"
    yield f"| recipes | {len(RECIPES.names())}, and"
    for whole in (KINDS, STRATEGIES, WAYS, SCENARIOS, ARRIVALS, PROBES, REPAIRS, ROUTERS, RECIPES):
        yield from (f"`{name}`" for name in whole.names())
