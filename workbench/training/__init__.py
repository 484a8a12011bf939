"""Training: one fit for every task and method, and lessons whose adapters are stored. Others import from here.

``fitting`` (a fit, and a lesson that gives an adapter) → ``trainer`` (transformers' own), ``best_epoch`` (which weights
are kept), ``hooks`` (what a method does between steps).
"""

from adapter_workbench.workbench.training.fitting import (
    Lesson,
    Teachable,
    fit,
    learn,
    require_classes,
    require_optimizer,
    teach,
)

__all__ = ["Lesson", "Teachable", "fit", "learn", "require_classes", "require_optimizer", "teach"]
