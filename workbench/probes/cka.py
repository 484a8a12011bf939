"""cka: how similar each layer's states are to its states right after the task was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext

ROUNDING = 1e-6  # states whose spread is less than this part of their length are the same for every text


class CKA:
    """Linear centred kernel alignment (Kornblith et al. 2019, arXiv:1905.00414) over all held examples at once.

    ``layer-k`` = ‖YᵀX‖²_F ÷ (‖XᵀX‖_F ‖YᵀY‖_F) = ⟨XXᵀ, YYᵀ⟩ ÷ (‖XXᵀ‖_F ‖YYᵀ‖_F), with X (n, h) the layer's states
    right after learning and Y now, each column centred: 1 for equal states up to rotation, scale and shift. The
    mean over mini-batches would be another number. Two unrelated layers are not at 0: with few texts beside h
    dimensions they are well above, so compare with other layers and strategies on the same texts, not with 0.
    """

    scope: Literal["task", "model"] = "task"
    reads_hidden = True

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return None: every model has hidden states."""
        return None

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return ``layer-0`` … ``layer-L`` in [0, 1]; nothing at the stage at which the task was learned.

        A layer that is the same for every text (as the first token's embedding) is left out.
        """
        if context.learned is None:
            return {}
        pairs = zip(context.learned.held, context.hidden.held, strict=True)
        alignments = {f"layer-{k}": alignment(then, now) for k, (then, now) in enumerate(pairs)}
        return {name: value for name, value in alignments.items() if value is not None}


def alignment(states: NDArray[Any], other_states: NDArray[Any]) -> float | None:
    """Return the linear CKA of two (n, h) and (n, h′); None where one of them does not vary."""
    first, second = _kernel(states), _kernel(other_states)  # (n, n)
    if first is None or second is None:
        return None
    return float(np.vdot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second)))


def _kernel(states: NDArray[Any]) -> NDArray[np.float64] | None:
    exact = states.astype(np.float64)
    centred = exact - exact.mean(axis=0)
    if np.linalg.norm(centred) <= ROUNDING * np.linalg.norm(exact):
        return None
    return np.asarray(centred @ centred.T)


PROBE: Probe = CKA()
