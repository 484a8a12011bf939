"""dare: drop entries of each update at random, rescale the rest, add the updates.

The authors' program (github.com/yule-BUAA/MergeLM, ``mask_merging`` with task arithmetic). What differs: the result
is dense, and is cut here to the rank of a source, which keeps less of it the more is dropped. λ is 1 and p 0.5; the
program searches both.
"""

from __future__ import annotations

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.pruning import weighted_total
from adapter_workbench.fusion.updates.sparsified import at_random, sparsified
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The paper searches drop rates from 0.1 to 0.9; rescaling adds noise of p / (1 − p) times the update's energy."""

    drop: float = Field(0.5, ge=0, lt=1, description="p, the share of entries that are dropped")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


merge = sparsified(at_random, weighted_total)


COMPOSITION = Composition(
    title="DARE",
    paper="Yu et al. 2024, arXiv:2311.03099, § 3",
    settings=Settings,
    compose=arithmetic(merge),
)
