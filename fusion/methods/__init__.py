"""Ways to make one adapter of several, one file each."""

from fusion.composition import Composition
from workbench.registry import Modules

COMPOSITIONS: Modules[Composition] = Modules(
    "composition method", __name__, "COMPOSITION", Composition, group="compositions"
)
