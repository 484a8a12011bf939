"""How well the model in training predicts general text that is none of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.stream.plan.examination import GENERAL_TEXT
from adapter_workbench.experiments.studies.stream.plan.measurable import general_text
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.answering.live_model import LiveModel, LiveParts, own_output
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.probes.general_loss import causal_rows, mean_loss

if TYPE_CHECKING:
    from adapter_workbench.workbench.answering.live_model import OwnOutput

TEXTS = 128  # as many as probes of a recipe read
GENERATED = "causal-lm"


@dataclass(frozen=True)
class TextLoss:
    """General text as a model reads it.

    Attributes:
        rows: encoded.
        head: the model's own output layer.
        pad: the token that fills rows up.
    """

    rows: tuple[dict[str, Any], ...]
    head: OwnOutput
    pad: int

    @classmethod
    def of(cls, parts: LiveParts, tokenizer: Any, max_length: int) -> TextLoss:
        """Read the text.

        Raises:
            InputError: the model is not a causal language model, or the text cannot be had.
        """
        head = own_output(parts)
        return cls(tuple(causal_rows(tokenizer, read_text(), max_length)), head, tokenizer.pad_token_id)

    def measure(self, parts: LiveParts) -> float:
        """Return the mean cross-entropy of a token, in nats; the model has to be in evaluation mode."""
        model = LiveModel(parts, self.head, KINDS.get(GENERATED)).eval()
        return mean_loss(model, self.head, [*self.rows], self.pad)


def read_text() -> tuple[str, ...]:
    """Return the texts that ``workbench examine`` takes the loss on."""
    return general_text(registry.load(registry.find(GENERAL_TEXT)), TEXTS)
