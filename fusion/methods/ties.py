"""ties: trim small entries, elect a sign for each entry, average the entries that agree with it.

The authors' program (github.com/prateeky2806/ties-merging), with its default of one threshold for a whole update. What
differs: the result is dense, and is cut here to the rank of a source (``energy_kept`` tells what that costs). Weights,
which the program has not, multiply before signs are elected (PEFT elects first, mergekit divides by their sum). Of n
entries the program keeps one more than density · n. An entry whose sum is 0 is 0; the program gives it the majority's
sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import Any, Literal

from pydantic import Field
from torch import Generator

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import Update
from adapter_workbench.fusion.updates.pruning import election, floor_across, trim_
from adapter_workbench.fusion.updates.sparsified import largest_of_a_module, sparsified
from adapter_workbench.workbench.settings.bounds import Density, Scale


class Settings(MergeSettings):
    """``scope``: whether the largest entries are sought in a whole update, as the paper does, or in each module."""

    density: Density = Field(0.2, description="share of entries that stay")
    scope: Literal["global", "module"] = "global"
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def largest_entries(settings: Settings, updates: Sequence[Update], generator: Generator) -> Any:
    """Keep the share ``density`` of largest entries of each update, or of each of its modules."""
    if settings.scope == "module":
        return largest_of_a_module(settings, updates, generator)
    cuts = [partial(trim_, least=floor_across(update, settings.density)) for update in updates]
    return lambda pairs: cuts


merge = sparsified(largest_entries, election)


COMPOSITION = Composition(
    title="TIES",
    paper="Yadav et al. 2023, arXiv:2306.01708, § 3",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
)
