"""Ways to make one adapter of several, one file each."""

from fusion.target.composition import Composition
from workbench.settings.registry import Modules

COMPOSITIONS: Modules[Composition] = Modules(
    "composition method", __name__, "COMPOSITION", Composition, group="compositions"
)
