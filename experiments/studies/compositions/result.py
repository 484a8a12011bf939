"""What is kept of a trial: scores, what it took, what was learned about the sources; per-example outcomes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from experiments.workspace.example_scores import FILE, require_readable
from experiments.workspace.mending import Mending
from workbench import atomic, sealed
from workbench.errors import IntegrityError
from workbench.fit_record import FitRecord

if TYPE_CHECKING:
    import pandas as pd

    from experiments.workspace import Workspace


@dataclass(frozen=True)
class Retained:
    """What a composition still knows of one source's own task: test scores under that source's own head.

    Attributes:
        alone: of the source as it is.
        fused: of the composed body.
    """

    source: str
    task: str
    alone: float
    fused: float
    examples: int


@dataclass(frozen=True)
class Result:
    """How one contestant did on one problem.

    Attributes:
        score: the task's main metric on the test split, in [0, 1].
        scores: all of them.
        examples: size of the test split.
        fit: what it took, and the validation score.
        head: where the head comes from.
        weights, facts, details: as in :class:`fusion.composition.Composed`.
        retained: one entry for each source whose task is at hand; empty where that was not measured.
    """

    score: float
    scores: Mapping[str, float]
    examples: int
    fit: FitRecord
    head: str
    weights: tuple[float, ...] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    retained: tuple[Retained, ...] = ()


RESULT = TypeAdapter(Result)


class Results:
    """The results below one folder: ``KEY/result.json`` and ``KEY/outcomes.parquet``, whole or not at all."""

    def __init__(self, root: Path, mending: Mending | None = None) -> None:
        """Keep results below ``root``; it is made when the first one is saved."""
        self.root, self.mending = root, mending or Mending()

    def get(self, key: str) -> Result | None:
        """Return the result of the trial with this key, or None.

        Raises:
            IntegrityError: a file of it is damaged or missing, and nobody is mending.
        """
        folder = self.root / key
        return self.mending.known(folder, lambda: _read(folder)) if folder.is_dir() else None

    def require(self, key: str) -> Result:
        """Return the result of a trial that is known to have been run; raises IntegrityError if it is not there."""
        found = self.get(key)
        if found is None:
            raise IntegrityError("missing: what this trial measured", where=str(self.root / key))
        return found

    def save(self, key: str, result: Result, outcomes: pd.DataFrame) -> None:
        """Write a result with its per-example outcomes."""
        with atomic.written_whole(self.root / key) as folder:
            outcomes.to_parquet(folder / FILE, index=False)
            (folder / "result.json").write_text(sealed.text_of(RESULT, result), encoding="utf-8")
            sealed.seal(folder)

    def outcomes(self, key: str) -> Path:
        """Return where a trial's per-example outcomes are."""
        return self.root / key / FILE


def results_in(workspace: Workspace) -> Results:
    """Return the results of the trials in a workspace."""
    return Results(workspace.root / "trials", workspace.mending)


def _read(folder: Path) -> Result:
    require_readable(folder)
    found = sealed.read(RESULT, folder / "result.json")
    if found is None:
        raise IntegrityError("damaged: result.json is missing", where=str(folder))
    return found
