"""What SetFit computes, made of a transformer and a head: token states, one vector of them, logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from adapter_workbench.workbench.backbone.network import Network, completed

if TYPE_CHECKING:
    from adapter_workbench.workbench.backbone.pretrained import Pooling


@dataclass(frozen=True)
class Logits:
    """An output that has nothing but logits."""

    logits: Tensor


class Classifier(nn.Module):
    """A transformer under a pooling and a head."""

    def __init__(self, body: Any, head: nn.Module, pooling: Pooling) -> None:
        """Put the parts together.

        Args:
            body: a transformer without a head.
            head: (batch, width) → (batch, labels).
            pooling: of token states.
        """
        super().__init__()
        self.body, self.head, self.config = body, head, body.config
        self._pooled = Network(body, head, pooling, "fp32")

    def forward(self, attention_mask: Tensor, **inputs: Tensor) -> Logits:
        """Return logits (batch, labels)."""
        states = self.body(attention_mask=attention_mask, **completed(self.config, inputs)).last_hidden_state
        return Logits(self.head(self._pooled.pool(states, attention_mask)))
