"""iso-c: the sum with all its singular values made equal, so that no source outweighs the others.

Σ wᵢ ΔWᵢ = U S Vᵀ becomes s̄ U Vᵀ, where s̄ is the mean over the k values that are not zero. This is Iso-C in Core Space,
as its authors compute it (arXiv:2509.17786; ``isotropize`` in github.com/apanariello4/core-space-merging).

What differs: the Iso paper's own program (github.com/danielm1405/iso-merging) takes the mean over all min(out, in)
singular values of the matrix and gives every singular vector that height, those of the null space too. For a sum of
LoRAs the latter are arbitrary, and the result is no LoRA. The height here is min(out, in) ÷ k times that of the paper,
the norm √(min(out, in) ÷ k) times: 12 and 3.46 for four LoRAs of rank 8 at 384 × 384. ``scale`` = k ÷ min(out, in)
gives the paper's height in the directions that the sources have. α is 1 here; the authors pick it on validation data.
The paper's second method is ``iso-cts``.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Spectrum,
    Truncated,
    Update,
    by_module,
    spectrum,
    stack,
)
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The result has the numerical rank of the sum unless ``rank`` is given."""

    scale: Scale = Field(1.0, description="α, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return α s̄ U Vᵀ, where Σ wᵢ ΔWᵢ = U S Vᵀ and s̄ is the mean of S, or of the ``rank`` largest."""

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        whole = spectrum(stack(pairs, weights), settings.rank)
        return whole.reshaped(lambda whole: flattened(whole, settings.scale))

    return by_module(updates, merged_module)


def flattened(whole: Spectrum, scale: float) -> LowRank:
    """Return α s̄ U Vᵀ of the decomposition ``whole``, which has at least one value; in float64."""
    return even(whole.u, whole.vt, scale * whole.values.mean())


def even(u: Tensor, vt: Tensor, height: Tensor) -> LowRank:
    """Return h U Vᵀ of U (out, k) and Vᵀ (k, in), with √|h| on each side."""
    root = height.abs().sqrt()
    return LowRank(u * root * height.sign(), vt * root)


COMPOSITION = Composition(
    title="Iso-C, in Core Space",
    paper="Marczak et al. 2025, arXiv:2502.04959, § 4; on low-rank updates: Panariello et al. 2025, arXiv:2509.17786",
    settings=Settings,
    compose=arithmetic(merge),
)
