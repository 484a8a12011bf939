"""Evaluations on disk: a model on a test split, with its answer to each example."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.experiments.workspace.example_scores import read_outcomes
from adapter_workbench.experiments.workspace.outcome_folders import OutcomeFolders
from adapter_workbench.workbench.errors import IntegrityError, UnwritableError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.workspace.access import Access
    from adapter_workbench.experiments.workspace.documents import Known
    from adapter_workbench.workbench.answering.evaluation import Evaluation


@dataclass(frozen=True)
class StoredEvaluation:
    """An :class:`Evaluation` without its per-example outcomes, which stay on disk."""

    scores: dict[str, float]
    logits_sha256: str
    seconds: float
    examples: int


class Evaluations(OutcomeFolders[StoredEvaluation]):
    """The folders ``KEY/`` with ``evaluation.json`` and ``outcomes.parquet``."""

    def __init__(self, root: Path, access: Access, known: Known) -> None:
        """Keep evaluations below ``root``; ``known`` has what was read and compared already."""
        super().__init__(root, "evaluation.json", StoredEvaluation, "the evaluation of a model", access, known)

    def save(self, key: str, evaluation: Evaluation) -> StoredEvaluation:
        """Store an evaluation with its per-example outcomes."""
        examples = len(evaluation.outcomes)
        stored = StoredEvaluation(evaluation.scores, evaluation.logits_sha256, evaluation.seconds, examples)
        return self.write(key, stored, evaluation.outcomes)

    def replace(self, key: str, evaluation: Evaluation) -> StoredEvaluation:
        """Store an evaluation under a key that nothing refers to yet; what is there, nothing refers to any more."""
        self.remove(key)
        return self.save(key, evaluation)

    def answers(self, key: str) -> pd.DataFrame | None:
        """Return the per-example outcomes under a key; None where none are there, or damaged ones."""
        try:
            return None if self.get(key) is None else read_outcomes(self.outcomes(key))
        except IntegrityError:
            return None

    def keep(self, key: str, evaluation: Evaluation) -> None:
        """Store what can be asked again, so that it need not be; where nothing can be written, it is asked again.

        It takes the place of what is damaged alone: of several processes that asked the same, none takes away what
        another has stored.
        """
        with suppress(UnwritableError):
            try:
                self.get(key)
            except IntegrityError:
                self.remove(key)
            self.save(key, evaluation)
