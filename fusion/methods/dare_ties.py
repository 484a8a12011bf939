"""dare-ties: drop entries at random and rescale, then elect signs and average the entries that agree.

The settings are those of dare: random dropping takes the place of trimming, as in PEFT's ``dare_ties``. What differs:
the authors' program (github.com/yule-BUAA/MergeLM) runs all of TIES on what is left, its trimming to the largest 20 %
included. The result is dense, and is cut here to the rank of a source.
"""

from __future__ import annotations

from statistics import fmean

from adapter_workbench.fusion.methods.dare import Settings
from adapter_workbench.fusion.target.composition import Composition, arithmetic
from adapter_workbench.fusion.updates.pruning import election
from adapter_workbench.fusion.updates.sparsified import at_random, sparsified

merge = sparsified(at_random, election)


COMPOSITION = Composition(
    title="DARE with TIES",
    paper="Yu et al. 2024, arXiv:2311.03099, § 4, and Yadav et al. 2023, arXiv:2306.01708, § 3",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
)
