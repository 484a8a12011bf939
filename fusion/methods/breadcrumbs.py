"""breadcrumbs: drop each module's smallest entries and its outliers, then add the updates.

As the paper has it, a layer's entries are sorted together. What differs: the authors' program
(github.com/rezazzr/breadcrumbs) sorts each row of a matrix on its own, and its γ and β are the shares that are dropped
from the top and kept below. The result is dense, and is cut here to the rank of a source.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.pruning import weighted_total
from adapter_workbench.fusion.updates.sparsified import between_quantiles, sparsified
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The paper's values; magnitudes between the shares ``lower`` (β) and ``upper`` (γ) stay."""

    lower: float = Field(0.85, ge=0, lt=1, description="β: the share of smallest entries that is dropped")
    upper: float = Field(0.993, gt=0, le=1, description="γ: entries above this quantile are dropped")
    scale: Scale = Field(0.3, description="α, a factor on the whole")

    @model_validator(mode="after")
    def _something_stays(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError(f"lower has to be below upper, got {self.lower} and {self.upper}")
        return self


merge = sparsified(between_quantiles, weighted_total)


COMPOSITION = Composition(
    title="Model Breadcrumbs",
    paper="Davari & Belilovsky 2024, arXiv:2312.06795, § 3",
    settings=Settings,
    compose=arithmetic(merge),
)
