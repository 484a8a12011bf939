"""What the stages of streams leave on disk: the state of the strategy, how its fit went, what was measured after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace

OUTCOME = TypeAdapter(StageOutcome)
FIT = TypeAdapter(FitRecord)


@dataclass(frozen=True)
class StageFolders:
    """The folders ``steps/KEY/`` of a workspace."""

    workspace: Workspace

    def folder(self, key: str) -> Path:
        """Return the folder of a stage."""
        return self.workspace.stage(key)

    def fit(self, key: str) -> FitRecord:
        """Return how the fit of a finished stage went.

        Raises:
            IntegrityError: this is damaged or missing, or another stage's.
        """
        path = self.folder(key) / "fit.json"
        fit = checksummed.read(FIT, path, key)
        if fit is None:
            raise IntegrityError("fit.json of this stage is missing", where=str(path))
        return fit

    def outcome(self, key: str, name: str) -> StageOutcome | None:
        """Return a stage's outcome, or None if it has not been evaluated in this way yet.

        Raises:
            IntegrityError: it is damaged or another's, and the workspace does not mend damage.
        """
        path = self.folder(key) / name
        return self.workspace.access.read(path, lambda: checksummed.read(OUTCOME, path, _under(key, name)))

    def finished(self, key: str, name: str) -> StageOutcome | None:
        """Return a stage's outcome if all that it was taken from is there too, else None; raises as :meth:`outcome`."""
        outcome, evaluations = self.outcome(key, name), self.workspace.evaluations
        whole = outcome and all(evaluations.get(cell.evaluation) for cell in outcome.cells if cell.evaluation)
        return outcome if whole else None

    def save_outcome(self, key: str, name: str, outcome: StageOutcome) -> None:
        """Write a stage's outcome."""
        checksummed.write(OUTCOME, outcome, self.folder(key) / name, _under(key, name))


def save_fit(key: str, fit: FitRecord, folder: Path) -> None:
    """Write how the fit of a stage went into what will be the stage's folder."""
    (folder / "fit.json").write_text(checksummed.text_of(FIT, fit, key), encoding="utf-8")


def _under(key: str, name: str) -> str:
    """Return what determines an outcome: a stage may have several, and their names tell what was measured."""
    return f"{key}/{name}"
