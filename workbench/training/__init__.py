"""Training: one fit for every task and method, and lessons whose adapters are stored. Others import from here.

``lesson`` → ``fitting`` → ``trainer`` (transformers' own), ``best_epoch`` (which weights are kept), ``hooks`` (what a
method does between steps).
"""

from adapter_workbench.workbench.training.fitting import fit, require_classes, require_optimizer
from adapter_workbench.workbench.training.lesson import Lesson, Teachable, learn, teach

__all__ = ["Lesson", "Teachable", "fit", "learn", "require_classes", "require_optimizer", "teach"]
