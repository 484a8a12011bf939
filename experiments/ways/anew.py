"""anew: a new adapter learns all rows of the newer version; nothing of the champion is in it.

It is what `workbench train TASK` gives with the champion's method, settings and budget, under the same id. All other
ways are held against it, and take as many steps.
"""

from __future__ import annotations

from adapter_workbench.experiments.ways import Learned, UpdateContext, Way
from adapter_workbench.workbench.training import Lesson, teach


def learn(update: UpdateContext) -> Learned:
    """Return a model with new weights, trained on all rows."""
    lesson = Lesson(update.task, update.adaptation, update.budget, update.seed)
    return Learned(*teach(lesson, update.listener, update.label, update.scratch))


WAY = Way(title="Training anew", learn=learn, needs_old_rows=lambda settings: True, from_champion=False)
