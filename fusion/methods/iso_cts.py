"""iso-cts: leading directions of the sum, then directions that each source has beside them, all equally strong.

Of the k directions of Σ ΔWᵢ the leading ones are common. What a source has outside their left span, (1 − U Uᵀ) ΔWᵢ,
gives its own leading directions, equally many for each source, in place of the weak directions of the sum. The left
and the right vectors of all are replaced by the nearest orthonormal matrices, and their singular values by the mean.

What differs: the authors' program (github.com/danielm1405/iso-merging) shares out min(out, in) directions; a sum of
LoRAs has only k with a singular value, and k are shared out here, as in Core Space (arXiv:2509.17786). So the height is
a mean over at most k values, as in ``iso-c``. ``common`` = 0.8 is the program's; the number of a source's own
directions is rounded as there. Of low ranks that can leave none (two sources of rank 2), and the result is ``iso-c``.
Weights multiply the sources before; the program has none. α is 1 here; the authors pick it on validation data.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.methods.iso_c import even
from adapter_workbench.fusion.methods.tsv import orthogonal
from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Spectrum,
    Truncated,
    Update,
    by_module,
    norm,
    scaled,
    spectrum,
    stack,
)
from adapter_workbench.workbench.settings.bounds import Scale, Share


class Settings(MergeSettings):
    """The result has the numerical rank of the sum unless ``rank`` is given."""

    common: Share = Field(0.8, description="share of the directions that are those of the sum")
    scale: Scale = Field(1.0, description="α, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return α s̄ U′ V′ᵀ, U′ and V′ the nearest orthonormal matrices to all chosen left and right singular vectors.

    s̄ is the mean of their singular values. A source without an update of a module has no directions there.
    """

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        present = [pair for pair in scaled(pairs, weights) if norm(pair)]
        return spectrum(stack(pairs, weights), settings.rank).reshaped(lambda whole: _even(whole, present, settings))

    return by_module(updates, merged_module)


def _even(whole: Spectrum, sources: Sequence[LowRank], settings: Settings) -> LowRank:
    """Return α s̄ U′ V′ᵀ of one module: its sum, and the weighted sources that are not zero there."""
    own = _own_count(len(whole.values), len(sources), settings.common)
    common = len(whole.values) - own * len(sources)
    u = whole.u[:, :common]  # (out, common)
    chosen = [(u, whole.values[:common], whole.vt[:common]), *(_orthogonal_part(pair, u, own) for pair in sources)]
    height = settings.scale * torch.cat([values for _, values, _ in chosen]).mean()
    left = orthogonal(torch.cat([vectors for vectors, _, _ in chosen], dim=1))  # (out, ≤ k)
    right = orthogonal(torch.cat([vectors.T for _, _, vectors in chosen], dim=1))  # (in, ≤ k)
    return even(left, right.T, height)


def _own_count(directions: int, sources: int, common: float) -> int:
    """Return how many of the directions belong to each source alone."""
    return min(round((directions - int(directions * common)) / sources), directions // sources)


def _orthogonal_part(pair: LowRank, u: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return U (out, p), S (p,) and Vᵀ (p, in) of (1 − u uᵀ) b a, p ≤ ``count``; what is rounding is no direction."""
    b = pair.b.double()
    rest = spectrum(LowRank(b - u @ (u.T @ b), pair.a.double()), count)
    solid = rest.values > 1e-6 * norm(pair)
    return rest.u[:, solid], rest.values[solid], rest.vt[solid]


COMPOSITION = Composition(
    title="Iso-CTS, in Core Space",
    paper="Marczak et al. 2025, arXiv:2502.04959, § 4; in Core Space: Panariello et al. 2025, arXiv:2509.17786",
    settings=Settings,
    compose=arithmetic(merge),
)
