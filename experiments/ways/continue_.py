"""continue: the champion's weights go on learning, from the new rows alone; nothing holds what they knew.

Trained are the head, with the rows of its labels where they now stand, and what the method trains. Read are rows that
are new, changed or relabelled. Without any such row the result is the champion under the newer version's labels.
"""

from __future__ import annotations

from experiments.ways import Learned, UpdateContext, Way


def learn(update: UpdateContext) -> Learned:
    """Return the champion's model, trained on the new rows."""
    model = update.champion_model()
    return Learned(model, update.fit(model, update.rows))


WAY = Way(title="Continued fine-tuning", learn=learn)
