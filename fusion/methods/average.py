"""average: the weighted mean of updates, exact; of bottlenecks, parameter by parameter.

For LoRA this averages functions of the weights: the mean of ΔW, at its own rank. Bottlenecks are not linear in their
parameters: two that compute the same in another order of their hidden units average to something else. Means of
bottlenecks make sense for those that started from the same weights; AdapterSoup (arXiv:2302.07027) does that.

What differs: model soups (arXiv:2203.05482) average models of one task, and a greedy soup keeps what helps on
validation data; AdapterSoup picks the sources by how near their texts are. Here all sources that are named take part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.fusion.target import bottleneck
from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic, uniform, weights_for
from adapter_workbench.fusion.updates.lowrank import weighted_sum
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.fusion.target.composition import Composed, Purpose, Request
    from adapter_workbench.fusion.updates.lowrank import Merged, Update


def merge(updates: Sequence[Update], weights: Sequence[float], settings: MergeSettings, seed: int) -> Merged:
    """Return Σ wᵢ ΔWᵢ, with wᵢ = 1 / n by default; ``rank`` cuts it."""
    return weighted_sum(updates, weights, settings.rank)


def compose(request: Request, settings: MergeSettings) -> Composed:
    """Return the mean of LoRA updates or of bottleneck parameters, whichever the sources are.

    Raises:
        InputError: ``rank`` is given for bottlenecks, or as :func:`average` and
        ``arithmetic``.
    """
    if request.sources[0].manifest.library == "peft":
        return arithmetic(merge, uniform)(request, settings)
    _require_no_rank(settings)
    return bottleneck.average(request, weights_for(settings.weights, len(request.sources), uniform))


def require_suited(purpose: Purpose, settings: MergeSettings) -> None:
    """Make sure that a rank is given for LoRAs alone; raises InputError."""
    if purpose.library != "peft":
        _require_no_rank(settings)


def _require_no_rank(settings: MergeSettings) -> None:
    if settings.rank:
        raise InputError("bottlenecks have no rank to cut", where="rank", hint="Leave it out.")


COMPOSITION = Composition(
    title="Weighted average",
    paper="Wortsman et al. 2022, arXiv:2203.05482; of adapters: Chronopoulou et al. 2023, arXiv:2302.07027",
    settings=MergeSettings,
    compose=compose,
    libraries=("peft", "adapters"),
    require_suited=require_suited,
)
