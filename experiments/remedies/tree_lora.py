"""Draws a LoRA towards those of earlier tasks that are near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.remedies.callback import RemedyCallback
from adapter_workbench.experiments.remedies.settings import settings_of
from adapter_workbench.experiments.strategies.tree_lora import NearEarlier, TreeLoraSettings

if TYPE_CHECKING:
    from os import PathLike


class TreeLoRA(RemedyCallback):
    """TreeLoRA: each A of the LoRA is drawn towards that of an earlier task, which a bandit chooses for each batch.

    One LoRA learns task after task: begin the next training with the LoRA that the training before left.
    """

    def __init__(self, state: str | PathLike[str] | None = None, *, strength: float = 0.5) -> None:
        """Read the A that the trainings before kept.

        Args:
            state: the ``forgetting-state`` of the training before; None before the first, in which nothing is added.
            strength: λ of −λ (n ÷ N) L ln |Σ ⟨A, A_k⟩|.

        Raises:
            SettingsError: it is not a strength.
            InputError: there is no such state.
            IntegrityError: it is damaged.
        """
        settings = settings_of(TreeLoraSettings, "TreeLoRA", strength=strength)
        super().__init__(NearEarlier(settings.strengths[0]), state)
