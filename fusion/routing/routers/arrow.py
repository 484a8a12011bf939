"""arrow: the input direction to which each LoRA responds most; from its weights alone, without data.

What differs: the paper mixes adapters for each token and module. Here one adapter answers a whole text, so the shares
that arrow would give to the adapters are averaged over the text's tokens and over modules, on the hidden states of the
frozen backbone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.fusion.routing.routers import Router, RouterSettings
from adapter_workbench.fusion.target.reader import by_module
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import spectrum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from adapter_workbench.fusion.routing.routers import Part, Query
    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.fusion.updates.lowrank import LowRank
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: RouterSettings) -> Part:
    """Return module → v (in,), the top right singular vector of its ΔW."""
    return {module: direction(update) for module, update in lora.read(adapter.folder).items()}


def direction(update: LowRank) -> Tensor:
    """Return the v (in,) of length 1 for which ‖ΔW v‖ is largest, up to its sign; 0 where ΔW is 0."""
    vectors = spectrum(update, rank=1).vt  # (1, in), or (0, in)
    return vectors.sum(dim=0).float()


def prepare(parts: Sequence[Part], settings: RouterSettings) -> dict[str, Tensor]:
    """Return module → the adapters' vectors (adapters, in).

    Raises:
        InputError: the adapters change different modules.
    """
    return by_module(parts)


def score(vectors: Mapping[str, Tensor], query: Query, settings: RouterSettings) -> NDArray[np.floating[Any]]:
    """Return the mean over tokens t and modules m of softmax over adapters of |⟨x_tm, v_m⟩|: (texts, adapters)."""
    return query.reader.matches(query.rows, vectors, shares)


def shares(states: Tensor, vectors: Tensor) -> Tensor:
    """Return arrow's routing weights (…, adapters) of states (…, in), at temperature 1, for vectors (adapters, in)."""
    return (states @ vectors.T).abs().softmax(dim=-1)


ROUTER = Router(
    title="Arrow",
    paper="Ostapenko et al. 2024, arXiv:2405.11157, § 3.2",
    settings=RouterSettings,
    fit=fit,
    score=score,
    prepare=prepare,
    meaning="share of the task among those that are known, from 0 to 1",
    reads_data=False,
    reads_features=False,
    libraries=("peft",),
)
