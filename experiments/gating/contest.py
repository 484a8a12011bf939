"""An adapter and the champion of its registered name: how they compare, and the bounds that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN
from adapter_workbench.experiments.gating.gate import Check
from adapter_workbench.experiments.gating.succession import comparable
from adapter_workbench.experiments.gating.takeover import BESIDE, Takeover, compared_with
from adapter_workbench.workbench.adapters.name_resolution import registered_name
from adapter_workbench.workbench.mlflow.registration import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.gating.candidate.versions import VersionPair
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter


@dataclass(frozen=True)
class Contest:
    """An adapter and the champion of its registered name, before anything is decided."""

    name: str  # ``TASK.METHOD``
    version: Version  # of the adapter, with the score that counts here; its number is not known
    champion: Version | None  # that it is held against; None where there is none
    # how the two compare; a text where they cannot be compared says why, None where there is nothing to compare:
    # no champion, the adapter is it, or it came from elsewhere and was not measured here
    outcome: Takeover | str | None
    margin: float = MARGIN  # points that may be lost

    @property
    def holds(self) -> bool:
        """Whether the adapter may answer; a person may decide where the two cannot be compared."""
        return not isinstance(self.outcome, Takeover) or self.outcome.holds

    @property
    def to_accept(self) -> str | None:
        """What a person has to accept for the adapter to answer, in words; None where nothing is to be accepted."""
        if self.outcome is None or all(check.holds for check in self.checks()):
            return None
        return self.outcome.sentence() if isinstance(self.outcome, Takeover) else f"not compared: {self.outcome}"

    def checks(self, accepted: bool = False) -> Iterator[Check]:
        """Yield the bounds on the adapter beside the champion; what is broken holds if a person ``accepted`` it."""
        own, champion = self.version, self.champion
        score = None if own.validation is None else 100 * own.validation
        if isinstance(self.outcome, Takeover):
            yield from self.outcome.checks(accepted)
        elif own.validation is None and self.outcome is None:
            yield Check(BESIDE, "at least", None, None, note=not_measured(own.adapter))
        elif champion is None:
            yield Check(BESIDE, "at least", None, score, note=f"{self.name} has no champion yet")
        elif champion.is_of(own):
            yield Check(BESIDE, "at least", None, score, note=f"it is the champion of {self.name}")
        elif own.validation is not None and champion.validation is not None and comparable(own, champion):
            above = 100 * (own.validation - champion.validation)
            note = f"by the two scores alone, since {self.outcome}"
            yield Check(BESIDE, "at least", 0.0, above, note=note, accepted=accepted)
        else:
            note = f"{champion.adapter or f'version {champion.number}'} cannot be compared: {self.outcome}"
            yield Check(BESIDE, "at least", None, None, note=note, accepted=accepted)


def not_measured(adapter: str | None) -> str:
    """Return why an adapter from elsewhere has no score that counts here, and what gives it one."""
    return f"it came from elsewhere: `workbench adapters test {adapter}` measures it here"


def contest(
    workspace: Workspace,
    stored: StoredAdapter,
    champion: Version | None,
    task_folders: Sequence[Path],
    margin: float = MARGIN,
    versions: VersionPair | None = None,
) -> Contest:
    """Return an adapter beside the champion of its registered name; both are asked where they were not asked before.

    Args:
        workspace: where they are.
        stored: the adapter.
        champion: of its registered name; None where that has none.
        task_folders: of the person's own tasks.
        margin: points that may be lost.
        versions: of the task, on which the two were trained; None: they are read.
    """
    score, version = workspace.score(stored.manifest), Version.of(stored)
    if score is not None:
        version = replace(version, measure=score.measure, validation=score.validation, examples=score.examples)
    outcome = None
    if champion is not None and not champion.is_of(version) and (score or stored.manifest.imported is None):
        outcome = compared_with(champion, stored, workspace, task_folders, margin, versions)
    return Contest(registered_name(stored.manifest), version, champion, outcome, margin)
