"""The remedies that programs import, each with its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.remedies.callback import RemedyCallback
from adapter_workbench.experiments.remedies.settings import settings_of
from adapter_workbench.experiments.strategies._shared import RemedySettings
from adapter_workbench.experiments.strategies.a_gem import Projected
from adapter_workbench.experiments.strategies.ella import Decorrelated, EllaSettings
from adapter_workbench.experiments.strategies.ewc import Ewc, EwcSettings
from adapter_workbench.experiments.strategies.l2_to_start import L2Settings
from adapter_workbench.experiments.strategies.l2_to_start import L2ToStart as L2Remedy
from adapter_workbench.experiments.strategies.n_lora import NLoraSettings, Sparse
from adapter_workbench.experiments.strategies.o_lora import Orthogonal
from adapter_workbench.experiments.strategies.replay import ReplaySettings
from adapter_workbench.workbench.settings.document import Document

if TYPE_CHECKING:
    from os import PathLike


class EWC(RemedyCallback):
    """Elastic weight consolidation: holds the weights on which earlier tasks depend.

    ::

        Trainer(..., callbacks=[EWC()])                                     # the first task
        Trainer(..., callbacks=[EWC("out/forgetting-state", strength=1e3)])  # the next one, from its weights
    """

    def __init__(
        self,
        state: str | PathLike[str] | None = None,
        *,
        strength: float = 1000.0,
        decay: float = 1.0,
        examples: int = 100,
    ) -> None:
        """Read what the training before kept.

        Args:
            state: its ``forgetting-state``; None before the first task, in which nothing is held.
            strength: λ of λ/2 Σ F (θ − θ*)².
            decay: factor on the earlier tasks' Fisher information at the end.
            examples: training rows over which this task's is a mean.

        Raises:
            SettingsError: all that is wrong with the settings, in one message.
            InputError: there is no such state.
            IntegrityError: it is damaged.
        """
        settings = settings_of(EwcSettings, "EWC", strength=strength, decay=decay, examples=examples)
        super().__init__(Ewc(settings.strengths[0], settings.decay, settings.examples), state)


class L2ToStart(RemedyCallback):
    """L2-SP: holds all trained weights alike to where they were before the first task."""

    def __init__(self, state: str | PathLike[str] | None = None, *, strength: float = 0.01) -> None:
        """Read what the training before kept; arguments and errors as those of :class:`EWC`, of λ ‖θ − θ₀‖²."""
        settings = settings_of(L2Settings, "L2ToStart", strength=strength)
        super().__init__(L2Remedy(settings.strengths[0]), state)


class AGEM(RemedyCallback):
    """A-GEM: a step never turns against the gradient on rows of earlier tasks, which are read, not learned.

    Each step has a second backward pass, on as many remembered rows as the step has new ones.
    """

    def __init__(self, state: str | PathLike[str] | None = None, *, memory: int = 200) -> None:
        """Read the rows that the training before kept; errors as those of :class:`EWC`.

        Args:
            state: its ``forgetting-state``; None before the first task, whose rows are kept at its end.
            memory: training rows that are kept, of all tasks together, as they were tokenized.
        """
        settings = Document({"memory": memory}, "AGEM(…)").parse(ReplaySettings)
        super().__init__(Projected(settings.memory), state)


class OLoRA(RemedyCallback):
    """O-LoRA: the rows of a new LoRA's A are held orthogonal to those of the LoRAs of earlier tasks.

    Each task has a LoRA of its own on the same modules. Before the next one begins, merge it into the model
    (``merge_and_unload``) or leave it beside the new one, frozen and active.
    """

    def __init__(self, state: str | PathLike[str] | None = None, *, strength: float = 1.0) -> None:
        """Read what the training before kept; arguments and errors as those of :class:`EWC`, of λ Σ ‖A_past Aᵀ‖²."""
        settings = settings_of(RemedySettings, "OLoRA", strength=strength)
        super().__init__(Orthogonal(settings.strengths[0]), state)


class NLoRA(RemedyCallback):
    """N-LoRA: a LoRA's update stays sparse, from the first task on; nothing is kept, so that there is no state."""

    def __init__(self, *, strength: float = 1e-5) -> None:
        """Take λ of λ Σ ‖s B A‖₁; errors as those of :class:`EWC`."""
        settings = settings_of(NLoraSettings, "NLoRA", strength=strength)
        super().__init__(Sparse(settings.strengths[0]))


class ELLA(RemedyCallback):
    """ELLA: a new LoRA's update is held small at the weights that the LoRAs of earlier tasks changed most.

    LoRAs of earlier tasks are merged into the model or beside the new one, as with :class:`OLoRA`. What is kept takes
    as much memory as the adapted matrices in float32.
    """

    def __init__(self, state: str | PathLike[str] | None = None, *, strength: float = 500.0) -> None:
        """Read what the training before kept; arguments and errors as those of :class:`EWC`, of λ Σ ‖s B A ⊙ W‖²."""
        settings = settings_of(EllaSettings, "ELLA", strength=strength)
        super().__init__(Decorrelated(settings.strengths[0]), state)
