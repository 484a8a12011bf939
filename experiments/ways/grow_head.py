"""grow-head: the head gets rows for new labels; the rows of all labels that the champion knows are held as they are.

Trained are the rows of new labels, and what the method trains below the head; with ``frozen`` the body stays too, so
that scores of old labels on any text are the champion's, in the same precision to the last bit. Read are the new rows
alone, under the softmax over all labels. Holding the weights of earlier classes is that of CWR (Lomonaco & Maltoni
2017, arXiv:1705.03550); what differs: CWR freezes the body after the first batch, and scales the rows of classes to be
comparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.experiments.strategies._kept_rows import hold, release
from adapter_workbench.experiments.ways import Learned, UpdateContext, Way
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from adapter_workbench.experiments.ways import PlannedUpdate


class GrowHeadSettings(Settings):
    """What is trained beside the rows of new labels."""

    frozen: bool = Field(False, description="whether the body stays as it is, so that only rows of new labels learn")


def objection(update: PlannedUpdate) -> str | None:
    """A frozen body needs a new label to train, and a method that does no more than gradient steps."""
    if not update.settings.frozen:
        return None
    if all(update.labels.sources):
        return "with a frozen body trains rows of new labels alone, and no label is new"
    card = update.adaptation.card
    if card.prepare or card.hooks is not Method.hooks:
        return f"cannot freeze the body: method {update.adaptation.method} changes it by more than gradient steps"
    return None


def _stored_nothing(settings: GrowHeadSettings, card: Method) -> bool:
    """Return whether a first revision stored no weights below the head: the backbone's own ones that were frozen."""
    return settings.frozen and card.trains_backbone


def learn(update: UpdateContext) -> Learned:
    """Return the champion's model with rows for new labels, trained on the new rows."""
    model = update.champion_model()
    kept = [weight for weight in model.body.parameters() if weight.requires_grad and update.settings.frozen]
    for weight in kept:
        weight.requires_grad = False
    known = [position for position, sources in enumerate(update.labels.sources) if sources]
    if len(known) < len(update.labels.labels):
        hold(model.head, known)
    else:
        model.head.requires_grad_(False)
    record = update.fit(model, update.rows)
    release(model.head)
    for weight in kept:
        weight.requires_grad = True  # of the backbone's own weights, what is trained is what is stored
    return Learned(model, record)


WAY = Way(
    title="A grown head",
    paper="after Lomonaco & Maltoni 2017, arXiv:1705.03550 (CWR)",
    settings=GrowHeadSettings,
    learn=learn,
    objection=objection,
    revision=2,
    affects={2: _stored_nothing},
)
