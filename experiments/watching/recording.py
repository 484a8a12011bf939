"""The record of a training that is watched: begun before the training, and longer by each stage."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.provenance import provenance
from adapter_workbench.experiments.studies.core.data_sources import data_sources
from adapter_workbench.experiments.studies.watched import STUDY
from adapter_workbench.experiments.studies.watched.record import PART, STAGES, START, WatchedStage
from adapter_workbench.experiments.workspace import PieceReference, RecordDocument
from adapter_workbench.experiments.workspace.documents import form_of
from adapter_workbench.experiments.workspace.example_scores import example_scores
from adapter_workbench.experiments.workspace.records import identity
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from adapter_workbench.experiments.watching.measuring import WatchedTask
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.answering.evaluation import Evaluation

# facts in which a training that goes on may differ from how it began; the first two stay as they were
OWN = ("training", "reference", "every", "looks", "max_forgetting")


def facts(tasks: Sequence[WatchedTask], **others: Any) -> dict[str, Any]:
    """Return what all stages of a training share, as record.json has it; ``others`` are the fields of the record."""
    whole = [watched.task for watched in tasks]
    shared = {
        "data": {task.name: task.fingerprint for task in whole},
        "data_sources": data_sources(whole),
        "tasks": [task.name for task in whole],
        "kinds": {task.name: task.kind for task in whole},
        "answered": {watched.task.name: watched.how for watched in tasks},
        "test_sizes": {task.name: len(task.splits["test"]) for task in whole},
        "majority": {watched.task.name: watched.majority for watched in tasks},
        **others,
    }
    return dict(json.loads(json.dumps(form_of(dict[str, Any]).dump_python(shared, mode="json"))))


@dataclass
class Recording:
    """A record that is being written."""

    workspace: Workspace  # takes it
    name: str  # of the experiment
    document: RecordDocument  # as it is on disk
    stages: list[WatchedStage]  # in it

    @classmethod
    def begin(
        cls, workspace: Workspace, name: str, about: Mapping[str, Any], step: int, say: Callable[[str], None]
    ) -> Recording:
        """Begin the record of a training, or go on with it where one is resumed.

        Args:
            workspace: takes it.
            name: of the experiment; what another training left there is set aside.
            about: what all stages share.
            step: of the optimiser; where it is not 0, and the record is of a training with the same facts, stages up
                to this step are kept. Where there is no such record, stages are compared with the model of this step.
            say: hears what was set aside, and that a training has no record of its beginning.

        Raises:
            InputError: the name belongs to another kind of experiment, or another process writes there.
            UnwritableError: the workspace cannot be written.
        """
        with workspace.lock_experiment(name):
            stored = workspace.records.get(name) if step else None
            if stored and stored.study == STUDY.key and _without(stored.about) == _without(about):
                recording = cls(workspace, name, replace(stored, about={**stored.about, **about}), [])
                recording._keep_up_to(step)
                return recording
            if step:
                say(f"There is no record of how this training began: it is compared with the model of step {step}.")
            reference = f"step {step}" if step else START
            shared = {**about, "reference": reference, "training": uuid.uuid4().hex}
            first = (_reference(shared["training"], 0),)
            document = RecordDocument(STUDY.key, shared, first, provenance(""), identity(STUDY.key, shared, ()))
            return cls(workspace, name, workspace.records.begin(name, document, say), [])

    def _keep_up_to(self, step: int) -> None:
        """Keep the stages of the stored record up to a step; later ones are of a training that went on differently.

        So is the last one where the trainer had put back an earlier step's weights: a checkpoint has its own step's.
        """
        kept = [
            (piece, stage) for piece in self.document.pieces if (stage := self._stage(piece)) and stage.step <= step
        ]
        kept = kept[:-1] if kept and kept[-1][1].put_back else kept
        self.stages = [stage for _, stage in kept]
        self._save(replace(self.document, pieces=tuple(piece for piece, _ in kept), finished=False))

    def _stage(self, piece: PieceReference) -> WatchedStage | None:
        return STAGES.documents(self.workspace).get(piece.key)

    def add(self, stage: WatchedStage, evaluations: Mapping[str, Evaluation]) -> WatchedStage:
        """Add a stage, and return it with the keys of the evaluations, which are stored first.

        Raises:
            InputError: another training has taken the name since.
            UnwritableError: the workspace cannot be written.
        """
        piece = _reference(self.document.about["training"], len(self.stages))
        keys = {task: key([piece.key, task]) for task in evaluations}
        complete = replace(stage, evaluations=keys)
        with self.workspace.lock_experiment(self.name):
            self._require_own()
            for task, evaluation in evaluations.items():  # a training that is resumed measures some stages again
                self.workspace.evaluations.replace(keys[task], evaluation)
            STAGES.documents(self.workspace).save(piece.key, complete)
            self.stages.append(complete)
            self._save(replace(self.document, pieces=(*self.document.pieces[: len(self.stages) - 1], piece)))
        return complete

    def finish(self) -> None:
        """Say that the training has come to its end; raises as :meth:`add`."""
        with self.workspace.lock_experiment(self.name):
            self._require_own()
            self._save(self.document.as_finished())

    def examples(self, stage: int) -> dict[str, pd.Series]:
        """Return the score of each test example at a stage, task by task."""
        keys = self.stages[stage].evaluations
        return {task: example_scores(self.workspace.evaluations.outcomes(where)) for task, where in keys.items()}

    def _require_own(self) -> None:
        """Raise InputError where the record is no longer this training's."""
        stored = self.workspace.records.get(self.name)
        if stored is not None and stored.identity != self.document.identity:
            raise InputError("another training has begun under this name", where=self.name, hint="Give each a name.")

    def _save(self, document: RecordDocument) -> None:
        self.workspace.records.save(self.name, document)
        self.document = document


def _reference(training: str, stage: int) -> PieceReference:
    return PieceReference(key(["watched", training, stage]), {"part": PART, "stage": stage})


def _without(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name not in OWN}
