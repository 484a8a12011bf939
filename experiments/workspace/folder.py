"""The workspace on disk: the truth that reports and MLflow are views of.

::

    adapters/ID/                    the adapter store
    steps/KEY/                      results of one stage of a stream: state/, fit.json; outcome*.json, one for each way
                                    in which it was evaluated
    fits/KEY/                       checkpoints of a fit that is not finished
    attempts/KEY.json               one learning rate that was tried, and its validation score
    pieces/KEY.json                 the result of a piece of a comparison, by the piece's key
    system/NAME.jsonl               the machine's load while an experiment ran or an adapter was trained
    costs/KEY.json                  what a training step and the answers of one method cost
    trials/KEY/                     one entry of a comparison of compositions: outcomes.parquet, result.json
    evaluations/KEY/                one model on one test split: outcomes.parquet, evaluation.json
    repairs/KEY.json                the result of one repair of one stream
    probes/KEY/                     measurements of probes on one model, or its hidden states when its task was learned
    routers/KEY/                    what a router knows of one adapter, or how it scores the validation texts of several
    damaged/ID-xxxxxxxx/            an adapter that was damaged or imported, moved aside when it was trained here
    measured/ID.json                the validation score of an imported adapter, measured here
    asked/ID.json                   which command of a person asked for an adapter, whatever made it
    champions.json                  which version of each registered name is the champion, and which were before
    claims/KEY                      an empty file that is locked while a process does the piece
    pace.jsonl                      durations of earlier pieces
    experiments/NAME/record.json    which pieces make up the experiment, and what they share
    mlflow.db, mlartifacts/         MLflow, unless $MLFLOW_TRACKING_URI says otherwise

A folder appears complete or not at all. A key is the digest of everything that determines the content, so that work
that was done once is done for every run that needs it. Documents and folders have digests of their content
(:mod:`.checksummed`). Reading something damaged is an error, and a run makes it again (:mod:`.damage`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from adapter_workbench.experiments.workspace.access import Access
from adapter_workbench.experiments.workspace.champions import Champions
from adapter_workbench.experiments.workspace.damage import DamagePolicy, is_sound, set_unusable_aside
from adapter_workbench.experiments.workspace.documents import Documents, Known
from adapter_workbench.experiments.workspace.evaluations import Evaluations
from adapter_workbench.experiments.workspace.origins import FOLDER as ASKED
from adapter_workbench.experiments.workspace.origins import Asked, Origins
from adapter_workbench.experiments.workspace.pace import Pace
from adapter_workbench.experiments.workspace.records import Records
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.validation_scores import Score, own_score
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.files.locks import hold
from adapter_workbench.workbench.files.ordinary import require_utf_8_path
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.processes import is_first

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.training import Teachable

T = TypeVar("T")
SWEPT = (  # patterns of the folders in which a killed process may leave something half-written
    "",
    "steps",
    "steps/*",
    "steps/*/state",
    "adapters",
    "attempts",
    "pieces",
    "repairs",
    "measured",
    "asked",
    "costs",
    "trials",
    "evaluations",
    "probes",
    "probes/*",
    "routers",
    "fits/*",
    "experiments/*",
)
FOLDERS = {  # of the first level, in which nothing else may be written
    pattern.partition("/")[0] for pattern in SWEPT if pattern
} | {"damaged", "claims", "system", "mlartifacts"}
MEASURED = "measured"  # of the documents in a workspace


class Workspace:
    """Everything below one folder."""

    def __init__(
        self, root: Path, access: Access | None = None, known: Known | None = None, made_by: str | None = None
    ) -> None:
        """Use ``root``; it is made when something is first written.

        Args:
            root: the folder.
            access: how things are read; by default nothing is fetched, and damage is an error.
            known: what this command has read already.
            made_by: what the adapters that are made here are made by, see :mod:`.origins`.
        """
        self.root, self.access, self.made_by = root, access or Access(), made_by
        self.known = known or Known()

    def mending(self, listener: Listener) -> Workspace:
        """Return the same workspace for a run, which makes damaged things again; ``listener`` hears of each."""
        return Workspace(self.root, replace(self.access, damage=DamagePolicy(listener)), self.known, self.made_by)

    def making_for(self, made_by: str) -> Workspace:
        """Return the same workspace, in which adapters are ``made_by`` a command, or by ``run NAME``."""
        return Workspace(self.root, self.access, self.known, made_by)

    def require_elsewhere(self, target: Path) -> None:
        """Raise InputError where ``target`` is in a folder that only the workspace writes."""
        inside = Path(os.path.relpath(os.path.realpath(target), os.path.realpath(self.root))).parts
        if inside and inside[0] in FOLDERS:
            hint = f"Name a folder outside of {self.root / inside[0]}."
            raise InputError("the workspace keeps its own files there", where=str(target), hint=hint)

    def sweep(self) -> int:
        """Delete half-written files of killed processes, and return how many bytes they had."""
        folders = [self.root, *(folder for pattern in SWEPT[1:] for folder in self.root.glob(pattern))]
        return sum(atomic.sweep(folder) for folder in folders if folder.is_dir())

    @cached_property
    def adapters(self) -> AdapterStore:
        """The adapter store."""
        known = self.known.manifests
        return AdapterStore(self.root / "adapters", self.access.fetch, self.made_by, known, self.sweep)

    @cached_property
    def records(self) -> Records:
        """The records of experiments."""
        return Records(self.root / "experiments", self.access, self.system)

    @cached_property
    def evaluations(self) -> Evaluations:
        """Evaluations of models on test splits."""
        return Evaluations(self.root / "evaluations", self.access, self.known)

    @cached_property
    def champions(self) -> Champions:
        """The champion of each registered name."""
        return Champions(self.root)

    @cached_property
    def origins(self) -> Origins:
        """What made each adapter, and which of them a person asked for."""
        return Origins(self.documents(ASKED, Asked), self.champions, self.records, self.known)

    @cached_property
    def measured_scores(self) -> Documents[MeasuredScore]:
        """Validation scores of imported adapters that were measured here, by their ids."""
        return self.documents(MEASURED, MeasuredScore)

    def score(self, manifest: Manifest) -> Score | None:
        """Return the validation score of an adapter that counts here: for an imported adapter, the one measured here.

        None for an imported adapter that was not measured here.

        Raises:
            IntegrityError: the measured score is damaged.
        """
        if manifest.imported is None:
            return own_score(manifest)
        measured = self.measured_scores.get(manifest.id)
        if measured is None or measured.identity != manifest.identity:
            return None
        return Score(measured.validation, measured.measure, measured.examples)

    @cached_property
    def pace(self) -> Pace:
        """Durations of earlier pieces, for estimates."""
        return Pace(self.root / "pace.jsonl")

    def documents(self, folder: str, kind: type[T]) -> Documents[T]:
        """Return the documents of one type: the files ``KEY.json`` in one folder of the workspace."""
        return Documents(self.root / folder, kind, self.access, self.known)

    def experiment(self, name: str) -> Path:
        """Return the folder of an experiment."""
        return self.root / "experiments" / name

    def scratch(self, key: str) -> Path:
        """Return the folder of a fit's checkpoints, which exists until the fit is done."""
        return self.root / "fits" / key

    def system(self, name: str) -> Path:
        """Return the file of the machine's load while an experiment ran, or while an adapter was trained."""
        return self.root / "system" / f"{name}.jsonl"

    def router(self, key: str) -> Path:
        """Return the folder of what a router knows of one adapter, or of how it scores validation texts."""
        return self._fetch_folder(self.root / "routers" / key)

    def probe(self, key: str) -> Path:
        """Return the folder of a probe's measurement."""
        return self._fetch_folder(self.root / "probes" / key)

    def stage(self, key: str) -> Path:
        """Return the folder with the results of one stage of a stream."""
        return self._fetch_folder(self.root / "steps" / key)

    def has_adapter(self, name: str) -> bool:
        """Return whether an adapter is in the store and undamaged; it is compared with its digests once."""
        if name in self.known.sound:
            return (self.adapters.root / name).is_dir()
        if not is_sound(self.adapters, name):
            return False
        self.known.sound.add(name)
        return True

    def trained_adapter(self, lesson: Teachable, listener: Listener, label: str) -> StoredAdapter:
        """Return a lesson's adapter from the store; it is trained if it is not there, and its checkpoints are deleted.

        If another process is training it, this waits for that. A damaged adapter is moved aside, and trained again.

        Raises:
            TrainingError: the fit failed; nothing was stored.
        """
        scratch = self.scratch(lesson.key)
        with self.claim(lesson.key):
            set_unusable_aside(self.adapters, lesson.adapter_id, listener)
            stored = lesson.learn(self.adapters, listener, label, scratch)
            shutil.rmtree(scratch, ignore_errors=True)
        return stored

    @contextmanager
    def lock_experiment(self, name: str) -> Iterator[None]:
        """Lock an experiment, so that it is not run twice at the same time; the lock ends with the process.

        Half-written files of killed runs are deleted.

        Raises:
            InputError: another process has locked it.
            UnwritableError: the workspace cannot be written.
        """
        if not is_first():
            yield
            return
        with hold(self.experiment(name) / ".lock", wait=False) as acquired:
            if not acquired:
                hint = "Wait for it, or use another --workspace."
                raise InputError(f"another process is running {name!r} in this workspace", hint=hint)
            self.sweep()
            yield

    def _fetch_folder(self, path: Path) -> Path:
        self.access.fetch(path)
        return path

    @contextmanager
    def claim(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Claim a piece, so that no other process does it at the same time; the claim ends with the process.

        Yields whether this process has it: always True if it waits, which ``wait=False`` does not. Processes that share
        each fit do everything together and claim nothing.
        """
        if processes.count() > 1:
            yield True
            return
        with hold(self.root / "claims" / key, wait) as acquired:
            yield acquired


def find_workspace(option: Path | None) -> Workspace:
    """Return the workspace of ``--workspace``, else of ``$WORKBENCH_HOME``, else ``./.workbench``.

    Raises:
        InputError: its path is not UTF-8: adapters could be trained there, but not opened.
    """
    root = path_of(option or os.environ.get("WORKBENCH_HOME") or ".workbench").absolute()
    require_utf_8_path(root)
    return Workspace(root)


# Scores of imported adapters, measured in this workspace: the sender's numbers are not used.


@dataclass(frozen=True)
class MeasuredScore:
    """The validation score of an adapter that was measured here, and not where it was trained."""

    identity: str  # of the adapter that was measured (`Manifest.identity`)
    validation: float  # the score of the task's main metric
    measure: str  # what it is a score of (`validation_scores.measure_of`)
    examples: str  # the same in words
    when: str  # the time, UTC, in ISO format
    test: str | None = None  # the key of its evaluation on the test split; None where an earlier version wrote it
