"""The few texts on which a sender's program and what is made of it here are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.elsewhere.head_form import difference
from adapter_workbench.workbench.backbone.network import completed
from adapter_workbench.workbench.backbone.tokenizing import tokenise

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.answering.elsewhere.form import Sender
    from adapter_workbench.workbench.backbone.pretrained import Backbone

POOLED = ("classification", "multilabel", "regression")  # kinds whose head reads one vector a text
SHORT, PAIR = "A word.", ("Which words are these?", "Some of them.")
TEXTS = (SHORT, "Another text, which is longer: 7 words and 2 commas, so that the first is padded.", "No, 3!")
PADDED = 1e-3  # of the largest logit: what a text's logits differ more by alone and beside longer ones is no rounding

Batch = dict[str, "Tensor"]


def try_sender(sender: Sender, backbone: Backbone, kind: str | None) -> tuple[list[Batch], list[Tensor]]:
    """Return batches of texts, and what the sender's program computes of each.

    A text stands alone and beside longer ones. Where the sender's program answers otherwise to a text that is padded
    (one that reads the last place of a batch, whatever stands there), each stands alone: that is what it means.

    Args:
        sender: the program.
        backbone: whose tokenizer makes tokens of the texts.
        kind: of task; None where no head is stored, and token states are compared.
    """
    answer = sender.logits if kind else sender.states
    batches = [_batch(backbone, [SHORT]), _batch(backbone, [*TEXTS])]
    answers = [answer(batch) for batch in batches]
    if kind not in POOLED:
        return batches, answers
    if difference(answers[1][:1], answers[0]) > PADDED:
        batches = [_batch(backbone, [text]) for text in TEXTS]
        answers = [answer(batch) for batch in batches]
    pair = _batch(backbone, [PAIR[0]], [PAIR[1]])
    return [*batches, pair], [*answers, answer(pair)]


def _batch(backbone: Backbone, *columns: list[str]) -> Batch:
    """Return texts, or pairs of them, as a batch."""
    batch = dict(tokenise(backbone.tokenizer, *columns, padding=True, return_tensors="pt"))
    return completed(backbone.config, batch)
