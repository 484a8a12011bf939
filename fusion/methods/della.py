"""della: drop entries at random, small ones more often, rescale, elect signs and average the entries that agree.

The authors' program (github.com/declare-lab/della) with ``della``; entries are ranked within a row. What differs: of n
entries in a row, the j-th is dropped with probability p − ε/2 + ε j/n, as in the paper; the program divides by n − 1.
With weights other than 1, the program divides by the sum of the weights that agree, where the mean here divides by
their number. p = 0.5 and ε = 0.2 are ours: the program has no default p, and its ε is 0 where left out; the example in
its README has p 0.3, ε 0.14 and λ 1.1. λ is 1 by default, as there. The result is dense, and is cut here to the rank of
a source.
"""

from __future__ import annotations

from statistics import fmean
from typing import Self

from pydantic import Field, model_validator

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.pruning import election
from adapter_workbench.fusion.updates.sparsified import at_random_by_rank, sparsified
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """Drop rates run from ``drop`` − ``window`` / 2 for a row's largest entry to ``drop`` + ``window`` / 2."""

    drop: float = Field(0.5, gt=0, lt=1, description="p, the mean drop rate")
    window: float = Field(0.2, ge=0, le=1, description="ε, how far drop rates spread around p")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")

    @model_validator(mode="after")
    def _rates_are_probabilities(self) -> Self:
        if not self.window / 2 <= min(self.drop, 1 - self.drop):
            raise ValueError(f"drop ± window / 2 has to lie within 0 and 1, got {self.drop} ± {self.window / 2}")
        return self


merge = sparsified(at_random_by_rank, election)


COMPOSITION = Composition(
    title="DELLA",
    paper="Deep et al. 2024, arXiv:2406.11617, § 3",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
)
