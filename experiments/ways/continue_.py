"""continue: the champion's weights go on learning, from the new rows alone or from all; nothing holds what they knew.

With ``rows: all`` it differs from `anew` in its start alone, and from ``rows: new`` in its rows alone.

Trained are the head, with the rows of its labels where they now stand, and what the method trains. New rows are those
that are new, changed or relabelled. Without any, the result is the champion under the newer version's labels.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from adapter_workbench.experiments.ways import Learned, UpdateContext, Way
from adapter_workbench.workbench.settings.base import Settings


class ContinueSettings(Settings):
    """What is read."""

    rows: Literal["new", "all"] = Field("new", description="whether new rows alone are read, or old ones too")


def learn(update: UpdateContext) -> Learned:
    """Return the champion's model, trained on the new rows, or on all."""
    model = update.champion_model()
    rows = update.rows if update.settings.rows == "new" else update.drawn.splits["train"]
    return Learned(model, update.fit(model, rows))


WAY = Way(
    title="Continued fine-tuning",
    settings=ContinueSettings,
    learn=learn,
    needs_old_rows=lambda settings: bool(settings.rows == "all"),
)
