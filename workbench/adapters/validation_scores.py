"""Validation scores of adapters: which one counts in a workspace, and what it is a score of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from adapter_workbench.workbench.adapters.manifest import Manifest
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from adapter_workbench.workbench.settings.base import Budget


@dataclass(frozen=True)
class Score:
    """A validation score that counts in this workspace."""

    validation: float  # the score, higher is better; may be no number
    measure: str  # what it is a score of; only scores of equal measures are compared
    examples: str  # the same in words


def own_score(manifest: Manifest) -> Score | None:
    """Return the score in a manifest; None for an adapter from elsewhere, whose score is its sender's.

    None also for what was composed without an example of its task.
    """
    if manifest.imported is not None or manifest.own_fit.validation is None:
        return None
    return Score(manifest.own_fit.validation, measure(manifest), examples(manifest))


Scoring: TypeAlias = Callable[[Manifest], Score | None]  # None: no score of it counts here


def measure(manifest: Manifest) -> str:
    """Return what a validation score is a score of: equal data, metric and draw, equal text.

    A budget that allows more examples than the split has draws none: the score is of the whole split.
    """
    scored, metrics = manifest.own_fit.validation_examples, ",".join(manifest.metrics)
    return measure_of(manifest.task.fingerprint or "", metrics, manifest.budget, manifest.seed_here, scored)


def measure_of(fingerprint: str, metrics: str, budget: Budget, seed: int, scored: int | None) -> str:
    """Return the same of any score.

    Args:
        fingerprint: of the task's data.
        metrics: names of the metrics, as a manifest has them, with commas.
        budget: how many examples are drawn.
        seed: with which a few are drawn.
        scored: how many were scored; None where that is not known.
    """
    wanted = budget.validation_examples or budget.eval_examples
    if wanted and scored is not None and scored < wanted:
        return key([fingerprint, metrics, None])
    few = [budget.validation_examples, seed] if budget.validation_examples else []
    return key([fingerprint, metrics, budget.eval_examples, *few])


def examples(manifest: Manifest) -> str:
    """Return which validation examples an adapter's own score is of, in words."""
    task, seed = manifest.task, manifest.seed if manifest.budget.validation_examples else None
    return examples_of(task.name, task.fingerprint or "", manifest.own_fit.validation_examples, seed)


def examples_of(task: str, fingerprint: str, count: int | None, seed: int | None) -> str:
    """Return which examples a score is of: how many, of which task and data; ``seed`` drew them if not None."""
    number = "the" if count is None else f"{count:,}"
    few = "" if seed is None else f", drawn with seed {seed}"
    return f"{number} validation examples of {task} (data {fingerprint[:8]}{few})"
