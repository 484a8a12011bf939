"""The remedies that programs import and that choose which parts of a model are trained.

They have to be given to a trainer as it is made, since they choose before it makes its optimiser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.remedies.callback import RemedyCallback
from adapter_workbench.experiments.strategies.inflora import InfLoraSettings, UnusedInputs
from adapter_workbench.experiments.strategies.osf import FirstDirections, OsfSettings
from adapter_workbench.experiments.strategies.sd_lora import KeptDirections
from adapter_workbench.experiments.strategies.seq_star import FrozenBody
from adapter_workbench.workbench.settings.document import Document

if TYPE_CHECKING:
    from os import PathLike


class OSF(RemedyCallback):
    """OSF: of each matrix the first singular directions stay, more of them with each task; the rest is trained.

    For full fine-tuning. The next training begins with the weights that the one before has left. While it runs, and in
    its checkpoints, a matrix is three factors; when it ends, the model is an ordinary one.
    """

    def __init__(
        self, state: str | PathLike[str] | None = None, *, preserved: float = 0.0, growth: float = 0.1
    ) -> None:
        """Read how many tasks there were before.

        Args:
            state: the ``forgetting-state`` of the training before; None before the first task.
            preserved: share of each matrix's singular directions that stays while the first task is learned.
            growth: how much larger the share is with each further task.

        Raises:
            SettingsError: all that is wrong with the settings, in one message.
            InputError: there is no such state.
            IntegrityError: it is damaged.
        """
        settings = Document({"preserved": preserved, "growth": growth}, "OSF(…)").parse(OsfSettings)
        super().__init__(FirstDirections(settings), state)


class InfLoRA(RemedyCallback):
    """InfLoRA: a new LoRA reads only directions that earlier tasks' inputs do not use; its B alone is trained.

    A is made of what the modules read of the training rows, before the first step: all rows go through the model once,
    and once more at the end. Merge the LoRA of the task before into the model (``merge_and_unload``), or leave it
    beside the new one, frozen and active.
    """

    def __init__(self, state: str | PathLike[str] | None = None, *, threshold: float = 0.98) -> None:
        """Read which directions are in use; errors as those of :class:`OSF`.

        Args:
            state: the ``forgetting-state`` of the training before; None before the first task.
            threshold: ε, the share of the inputs' energy in the directions that are kept from later tasks.
        """
        settings = Document({"threshold": threshold}, "InfLoRA(…)").parse(InfLoraSettings)
        super().__init__(UnusedInputs(settings.threshold), state)


class SDLoRA(RemedyCallback):
    """SD-LoRA: beside a new LoRA, of earlier ones the magnitudes are trained on, a number for each task and module.

    The LoRAs of earlier tasks have to lie beside the new one, frozen and active, each by itself or all in one. At the
    end their B holds the magnitude, so that they are ordinary LoRAs.
    """

    def __init__(self, state: str | PathLike[str] | None = None) -> None:
        """Read the magnitudes that the training before left; None before the first task. Errors as of :class:`OSF`."""
        super().__init__(KeptDirections(), state)


class SEQStar(RemedyCallback):
    """SEQ*: the first task trains all weights, later ones a classifier alone, on weights that stay as they are.

    For classifiers of transformers, with a LoRA or without.
    """

    def __init__(self, state: str | PathLike[str] | None = None, *, shares_head: bool = False) -> None:
        """Read what the training before kept; errors as those of :class:`OSF`.

        Args:
            state: its ``forgetting-state``; None before the first task.
            shares_head: whether one classifier answers all tasks: make it with the rows of all labels, earlier ones
                first. Their rows are put in as they were, and stay. Without it each task has a classifier of its own.
        """
        super().__init__(FrozenBody(shares_head), state)
