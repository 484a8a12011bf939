"""iso-c: the sum with all its singular values made equal, so that no source outweighs the others."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from fusion.composition import Composition, MergeSettings, arithmetic
from fusion.lowrank import LowRank, Merged, Truncated, Update, by_module, spectrum, stack
from workbench.bounds import Scale


class Settings(MergeSettings):
    """The result has the numerical rank of the sum unless ``rank`` is given."""

    scale: Scale = Field(1.0, description="α, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return α s̄ U Vᵀ, where Σ wᵢ ΔWᵢ = U S Vᵀ and s̄ is the mean of S.

    The paper's mean runs over min(out, in) values; a sum of low-rank updates has fewer that are not zero, and the mean
    is over those (or the ``rank`` largest), so that no energy goes into directions that no source has.
    """

    def one(pairs: tuple[LowRank, ...]) -> Truncated:
        whole = spectrum(stack(pairs, weights), settings.rank)
        if not len(whole.values):
            return whole.truncated()
        height = settings.scale * whole.values.mean()
        flat = LowRank(whole.u * height.abs().sqrt() * height.sign(), whole.vt * height.abs().sqrt())
        return Truncated(flat.to(whole.dtype), float(whole.values.square().sum()), whole.lost)

    return by_module(updates, one)


COMPOSITION = Composition(
    title="Iso-C",
    paper="Marczak et al. 2025, arXiv:2502.04959, § 4",
    settings=Settings,
    compose=arithmetic(merge),
)
