"""magmax: every entry is that of the source whose entry there has the largest magnitude.

What differs: the paper merges models that were trained one from the other; here any sources are taken. Weights, which
the paper has not, multiply before entries are compared. λ (``scale``) is 1 here; the scripts of the authors' program
(github.com/danielm1405/magmax) fix 0.5. Of entries of equal magnitude the program takes that of the last source, here
it is that of the first. The result is dense, and is cut to the rank of a source.
"""

from __future__ import annotations

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.sparsified import everything, largest, sparsified
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The paper finds one λ good for most streams."""

    scale: Scale = Field(1.0, description="λ, a factor on the whole")


merge = sparsified(everything, largest)


COMPOSITION = Composition(
    title="MagMax",
    paper="Marczak et al. 2024, arXiv:2407.06322, § 4",
    settings=Settings,
    compose=arithmetic(merge, of_equals=max),
)
