"""Evaluations on disk: a model on a test split, with what it answered to each example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from experiments.workspace.example_scores import FILE as OUTCOMES
from experiments.workspace.example_scores import require_readable
from workbench import atomic, sealed
from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.workspace.mending import Mending
    from workbench.evaluation import Evaluation


@dataclass(frozen=True)
class StoredEvaluation:
    """What is left of an :class:`Evaluation` when its per-example outcomes stay on disk."""

    scores: dict[str, float]
    logits_sha256: str
    seconds: float
    examples: int


EVALUATION = TypeAdapter(StoredEvaluation)


class Evaluations:
    """The folders ``KEY/`` with ``evaluation.json`` and ``outcomes.parquet``, whole or not at all."""

    def __init__(self, root: Path, mending: Mending, sound: set[str]) -> None:
        """Keep evaluations below ``root``; ``sound`` are the keys of those that were compared with their digests."""
        self.root, self.mending, self._sound = root, mending, sound

    def get(self, key: str) -> StoredEvaluation | None:
        """Return a stored evaluation, or None.

        Raises:
            IntegrityError: a file of it is damaged or missing, and nobody is mending.
        """
        folder = self.root / key
        return self.mending.known(folder, lambda: self._read(folder)) if folder.is_dir() else None

    def outcomes(self, key: str) -> Path:
        """Return where an evaluation's per-example outcomes are, or would be."""
        return self.root / key / OUTCOMES

    def known_outcomes(self, key: str) -> Path:
        """Return the same of an evaluation that is known to have been stored; raises IntegrityError if it is not."""
        if self.get(key) is None:
            raise IntegrityError("missing: the answers to a test split", where=str(self.outcomes(key)))
        return self.outcomes(key)

    def save(self, key: str, evaluation: Evaluation) -> StoredEvaluation:
        """Store an evaluation with its per-example outcomes."""
        examples = len(evaluation.outcomes)
        kept = StoredEvaluation(evaluation.scores, evaluation.logits_sha256, evaluation.seconds, examples)
        with atomic.written_whole(self.root / key) as folder:
            evaluation.outcomes.to_parquet(folder / OUTCOMES, index=False)
            (folder / "evaluation.json").write_text(sealed.text_of(EVALUATION, kept), encoding="utf-8")
            sealed.seal(folder)
        return kept

    def _read(self, folder: Path) -> StoredEvaluation:
        if folder.name not in self._sound:
            require_readable(folder)
        stored = sealed.read(EVALUATION, folder / "evaluation.json")
        if stored is None:
            raise IntegrityError("damaged: evaluation.json is missing", where=str(folder))
        self._sound.add(folder.name)
        return stored
