"""magnitude: keep each module's largest entries, then add the updates.

What differs: Han et al. prune weights of one model and train what is left again; here updates are pruned, and nothing
is trained. PEFT's combination type ``magnitude_prune`` does so on A and B apart. The result is dense, and is cut to the
rank of a source.
"""

from __future__ import annotations

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.pruning import weighted_total
from adapter_workbench.fusion.updates.sparsified import largest_of_a_module, sparsified
from adapter_workbench.workbench.settings.bounds import Density, Scale


class Settings(MergeSettings):
    """The density is that of TIES, whose first step this is."""

    density: Density = Field(0.2, description="share of entries that stay")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


merge = sparsified(largest_of_a_module, weighted_total)


COMPOSITION = Composition(
    title="Magnitude pruning",
    paper="Han et al. 2015, arXiv:1506.02626, § 3",
    settings=Settings,
    compose=arithmetic(merge),
)
