"""The workspace on disk: the truth that reports and MLflow are views of.

::

    adapters/ID/                    the adapter store
    steps/KEY/                      what one step of a stream left: state/, fit.json; outcome*.json, one for each way in
                                    which it was evaluated
    fits/KEY/                       checkpoints of a fit that is going on
    attempts/KEY.json               one learning rate that was tried, by validation
    pieces/KEY.json                 the result of a piece of a comparison, by the piece's own key
    system/NAME.jsonl               the machine's load while an experiment ran or an adapter was trained
    costs/KEY.json                  what a training step and the answers of one method take
    trials/KEY/                     one entry of a comparison of compositions: outcomes.parquet, result.json
    evaluations/KEY/                one model on one test split: outcomes.parquet, evaluation.json
    repairs/KEY.json                what one repair of one stream brings back
    probes/KEY/                     what probes found in one model, or its hidden states when its task was learned
    routers/KEY/                    what a router knows of one adapter, or how it scores the validation texts of several
    damaged/ID-xxxxxxxx/            an adapter that was found damaged, or came from elsewhere, and was trained here
    measured/ID.json                the validation score of an adapter from elsewhere, measured here
    champions.json                  which version of each registered name answers, and which did before
    claims/KEY                      an empty file that is locked while its piece of work is done
    pace.jsonl                      how long work took here before
    experiments/NAME/record.json    which pieces make up the experiment, and all that is the same for them
    mlflow.db, mlartifacts/         MLflow, unless $MLFLOW_TRACKING_URI says otherwise

Folders appear whole or not at all; a key is the digest of everything that determines the content, so that work done
once is done for every run that needs it. Documents and folders carry digests of what is in them
(:mod:`workbench.files.checksummed`). Damage is an error for who reads, and a run makes it again (:mod:`.damage`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from experiments.workspace.access import Access
from experiments.workspace.champions import Champions
from experiments.workspace.damage import DamagePolicy, is_sound, set_unusable_aside
from experiments.workspace.documents import Documents
from experiments.workspace.evaluations import Evaluations
from experiments.workspace.measured_scores import FOLDER, MeasuredScore
from experiments.workspace.pace import Pace
from experiments.workspace.records import Records
from tasks.reading.text_files import path_of
from workbench.adapters.store import AdapterStore
from workbench.adapters.validation_scores import Score, own_score
from workbench.errors import InputError
from workbench.files import atomic
from workbench.files.locks import hold
from workbench.machine import processes
from workbench.machine.processes import is_first

if TYPE_CHECKING:
    from workbench.adapters.manifest import Manifest
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.machine.listener import Listener
    from workbench.training import Lesson

T = TypeVar("T")
SWEPT = (
    "",
    "steps",
    "steps/*",
    "steps/*/state",
    "adapters",
    "attempts",
    "pieces",
    "repairs",
    "measured",
    "costs",
    "trials",
    "evaluations",
    "probes",
    "probes/*",
    "routers",
    "fits/*",
    "experiments/*",
)
OWN = {pattern.partition("/")[0] for pattern in SWEPT if pattern} | {"damaged", "claims", "system", "mlartifacts"}


class Workspace:
    """Everything below one folder."""

    def __init__(self, root: Path, access: Access | None = None, sound: set[str] | None = None) -> None:
        """Use ``root``; it is made when something is first written.

        Args:
            root: the folder.
            access: how things are read; by default nothing is fetched, and damage is an error.
            sound: keys of what was compared with its digests already; once is enough for one command.
        """
        self.root, self.access = root, access or Access()
        self.sound: set[str] = set() if sound is None else sound

    def mending(self, listener: Listener) -> Workspace:
        """Return the same workspace for a run, which makes damaged things again; ``listener`` hears of each."""
        return Workspace(self.root, replace(self.access, damage=DamagePolicy(listener)), self.sound)

    def require_elsewhere(self, target: Path) -> None:
        """Raise InputError where ``target`` lies in a folder whose content the workspace takes for its own."""
        inside = Path(os.path.relpath(os.path.realpath(target), os.path.realpath(self.root))).parts
        if inside and inside[0] in OWN:
            hint = f"Name a folder outside of {self.root / inside[0]}."
            raise InputError("the workspace keeps its own things there", where=str(target), hint=hint)

    def sweep(self) -> int:
        """Delete what killed processes left half-written, and return how many bytes that was."""
        folders = [self.root, *(folder for pattern in SWEPT[1:] for folder in self.root.glob(pattern))]
        return sum(atomic.sweep(folder) for folder in folders if folder.is_dir())

    @cached_property
    def adapters(self) -> AdapterStore:
        """The adapter store."""
        return AdapterStore(self.root / "adapters", self.access.fetch)

    @cached_property
    def records(self) -> Records:
        """The records of experiments."""
        return Records(self.root / "experiments", self.access)

    @cached_property
    def evaluations(self) -> Evaluations:
        """Models on test splits."""
        return Evaluations(self.root / "evaluations", self.access, self.sound)

    @cached_property
    def champions(self) -> Champions:
        """Which version of each registered name answers."""
        return Champions(self.root)

    @cached_property
    def measured_scores(self) -> Documents[MeasuredScore]:
        """What adapters from elsewhere score here, by their ids."""
        return self.documents(FOLDER, MeasuredScore)

    def score(self, manifest: Manifest) -> Score | None:
        """Return the validation score of an adapter that counts here: its own, or what was measured here.

        None for an adapter from elsewhere that was not measured here.

        Raises:
            IntegrityError: what was measured is damaged.
        """
        if manifest.imported is None:
            return own_score(manifest)
        measured = self.measured_scores.get(manifest.id)
        if measured is None or measured.identity != manifest.identity:
            return None
        return Score(measured.validation, measured.measure, measured.examples)

    @cached_property
    def pace(self) -> Pace:
        """How long work took here before."""
        return Pace(self.root / "pace.jsonl")

    def documents(self, folder: str, kind: type[T]) -> Documents[T]:
        """Return the documents of one type: the files ``KEY.json`` in one folder of the workspace."""
        return Documents(self.root / folder, kind, self.access)

    def experiment(self, name: str) -> Path:
        """Return the folder of an experiment."""
        return self.root / "experiments" / name

    def scratch(self, key: str) -> Path:
        """Return where a fit that takes long keeps its checkpoints until it is done."""
        return self.root / "fits" / key

    def system(self, name: str) -> Path:
        """Return the file of the machine's load while an experiment ran, or while an adapter was trained."""
        return self.root / "system" / f"{name}.jsonl"

    def router(self, key: str) -> Path:
        """Return the folder of what a router knows of one adapter, or of how it scores validation texts."""
        return self._fetched(self.root / "routers" / key)

    def probe(self, key: str) -> Path:
        """Return the folder of a probe's measurement."""
        return self._fetched(self.root / "probes" / key)

    def step(self, key: str) -> Path:
        """Return the folder of what one step of a stream left."""
        return self._fetched(self.root / "steps" / key)

    def has_adapter(self, name: str) -> bool:
        """Return whether an adapter is in the store as it was written; it is compared with its digests once."""
        if name in self.sound:
            return (self.adapters.root / name).is_dir()
        if not is_sound(self.adapters, name):
            return False
        self.sound.add(name)
        return True

    def trained_adapter(self, lesson: Lesson, listener: Listener, label: str) -> StoredAdapter:
        """Return a lesson's adapter from the store, trained if it is not there yet; its checkpoints are cleared away.

        A process that is training it already is waited for. A damaged adapter is moved aside, and trained again.

        Raises:
            TrainingError: the fit failed; nothing was stored.
        """
        from workbench.training import learn  # torch and all: who reads a report does not need it

        scratch = self.scratch(lesson.key)
        with self.claim(lesson.key):
            set_unusable_aside(self.adapters, lesson.adapter_id, listener)
            stored = learn(lesson, self.adapters, listener, label, scratch)
            shutil.rmtree(scratch, ignore_errors=True)
        return stored

    @contextmanager
    def lock_experiment(self, name: str) -> Iterator[None]:
        """Hold an experiment, so that it is not run twice at the same time; the lock dies with the process.

        What killed runs have left half-written is swept.

        Raises:
            InputError: somebody else holds it.
            UnwritableError: the workspace cannot be written.
        """
        if not is_first():
            yield
            return
        with hold(self.experiment(name) / ".lock", wait=False) as mine:
            if not mine:
                hint = "Wait for it, or use another --workspace."
                raise InputError(f"{name!r} is being run in this workspace already", hint=hint)
            self.sweep()
            yield

    def _fetched(self, path: Path) -> Path:
        self.access.fetch(path)
        return path

    @contextmanager
    def claim(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold a piece of work, so that no other process does it at the same time; the claim dies with the process.

        Yields whether it is held: True once nobody else does; with ``wait=False`` at once. Processes that share each
        fit do everything in step and claim nothing.
        """
        if processes.count() > 1:
            yield True
            return
        with hold(self.root / "claims" / key, wait) as mine:
            yield mine


def find_workspace(option: Path | None) -> Workspace:
    """Return the workspace of ``--workspace``, else of ``$WORKBENCH_HOME``, else ``./.workbench``."""
    return Workspace(path_of(option or os.environ.get("WORKBENCH_HOME") or ".workbench").absolute())
