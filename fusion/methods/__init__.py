"""Ways to make one adapter of several, one file each."""

from adapter_workbench.fusion.target.composition import Composition
from adapter_workbench.workbench.settings.registry import Modules

COMPOSITIONS: Modules[Composition] = Modules(
    "composition method",
    __name__,
    "COMPOSITION",
    Composition,
    group="compositions",
    command="workbench compositions list",
)
