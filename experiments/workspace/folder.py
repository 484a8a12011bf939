"""The workspace on disk: the truth that reports and MLflow are views of.

::

    adapters/ID/                    the adapter store
    steps/KEY/                      what one step left behind: state/, fit.json; outcome.json once it was evaluated
    fits/KEY/                       checkpoints of a fit that is going on
    attempts/KEY.json               one learning rate that was tried, by validation
    system/NAME.jsonl               the machine's load while an experiment ran or an adapter was trained
    costs/KEY.json                  what a training step and the answers of one method take
    trials/KEY/                     one contestant of a comparison of compositions: outcomes.parquet, result.json
    evaluations/KEY/                one model on one test split: outcomes.parquet, evaluation.json
    probes/KEY/                     what probes found in one model, or its hidden states when its task was learned
    routers/KEY/                    what a router knows of one adapter
    damaged/ID-xxxxxxxx/            an adapter that was found damaged, and trained again
    claims/KEY                      an empty file that whoever does a piece of work holds meanwhile
    experiments/NAME/record.json    which steps make up the experiment, and all that is the same for them
    experiments/NAME/fusion.json    the same for a comparison of compositions, by its trials
    experiments/NAME/comparison.json  a comparison of methods, with all numbers of its report
    mlflow.db, mlartifacts/         MLflow, unless $MLFLOW_TRACKING_URI says otherwise

Folders appear whole or not at all; a key is the digest of everything that determines the content, so that work done
once is done for every run that needs it. Documents and folders carry digests of what is in them
(:mod:`workbench.sealed`). Damage is an error for who reads, and a run makes it again (:mod:`.mending`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from experiments.strategies import adapter_ids
from experiments.studies.compositions.record import FILE as FUSION_FILE
from experiments.studies.compositions.record import FusionRecord, load
from experiments.studies.compositions.result import Results
from experiments.studies.methods.record import FILE as COMPARISON_FILE
from experiments.studies.methods.record import ComparisonRecord
from experiments.studies.methods.record import load as load_comparison
from experiments.studies.methods.tuning import Attempt
from experiments.studies.stream.record import Contender, Record
from experiments.workspace.documents import Notes
from experiments.workspace.example_scores import FILE as OUTCOMES
from experiments.workspace.example_scores import require_readable
from experiments.workspace.mending import Mending, clear_the_way, needed_by
from experiments.workspace.stage_outcome import StageOutcome
from workbench import atomic, processes, sealed
from workbench.errors import InputError, IntegrityError, UnknownNameError, UnwritableError
from workbench.fit_record import FitRecord
from workbench.measured_cost import MeasuredCost
from workbench.processes import is_first
from workbench.store import AdapterStore

if TYPE_CHECKING:
    from workbench.evaluation import Evaluation
    from workbench.listener import Listener
    from workbench.stored_adapter import StoredAdapter
    from workbench.training import Lesson

OUTCOME = TypeAdapter(StageOutcome)
FIT = TypeAdapter(FitRecord)


@dataclass(frozen=True)
class StoredEvaluation:
    """What is left of an :class:`Evaluation` when its per-example outcomes stay on disk."""

    scores: dict[str, float]
    logits_sha256: str
    seconds: float
    examples: int


EVALUATION = TypeAdapter(StoredEvaluation)
RECORD = "record.json"
DERIVED = ("outcomes", "examples", "adapters")  # of a record: read from the steps
SWEPT = (
    "",
    "steps",
    "steps/*",
    "steps/*/state",
    "adapters",
    "attempts",
    "costs",
    "trials",
    "evaluations",
    "probes",
    "probes/*",
    "routers",
    "fits/*",
    "experiments/*",
)


class Workspace:
    """Everything below one folder."""

    def __init__(self, root: Path, mending: Mending | None = None) -> None:
        """Use ``root``; it is made when something is first written.

        ``mending`` says what becomes of damaged things; by default they are errors.
        """
        self.root, self.mending = root, mending or Mending()
        self.sound: set[str] = set()  # keys of what was compared with its digests: once is enough for one process

    def mended_by(self, listener: Listener) -> Workspace:
        """Return the same workspace for a run, which makes damaged things again; ``listener`` hears of each."""
        return Workspace(self.root, Mending(listener))

    def sweep(self) -> int:
        """Delete what killed processes left half-written, and return how many bytes that was."""
        places = [self.root, *(place for each in SWEPT[1:] for place in self.root.glob(each))]
        return sum(atomic.sweep(place) for place in places if place.is_dir())

    @cached_property
    def adapters(self) -> AdapterStore:
        """The adapter store."""
        return AdapterStore(self.root / "adapters")

    @cached_property
    def trials(self) -> Results:
        """The results of comparisons of compositions."""
        return Results(self.root / "trials", self.mending)

    @cached_property
    def attempts(self) -> Notes[Attempt]:
        """The learning rates that comparisons of methods have tried, by the key of the lesson."""
        return Notes(self.root / "attempts", Attempt, self.mending)

    @cached_property
    def costs(self) -> Notes[MeasuredCost]:
        """What methods were measured to take."""
        return Notes(self.root / "costs", MeasuredCost, self.mending)

    def step(self, key: str) -> Path:
        """Return the folder of a step."""
        return self.root / "steps" / key

    def scratch(self, key: str) -> Path:
        """Return where a fit that takes long keeps its checkpoints until it is done."""
        return self.root / "fits" / key

    def learned(self, lesson: Lesson, listener: Listener, label: str) -> StoredAdapter:
        """Return a lesson's adapter from the store, trained if it is not there yet; its checkpoints are cleared away.

        A process that is training it already is waited for. A damaged adapter is moved aside, and trained again.

        Raises:
            TrainingError: the fit failed; nothing was stored.
        """
        from workbench.training import learn  # torch and all: who reads a report does not need it

        scratch = self.scratch(lesson.key)
        with self.claimed(lesson.key):
            clear_the_way(self.adapters, lesson.adapter_id, listener)
            stored = learn(lesson, self.adapters, listener, label, scratch)
            shutil.rmtree(scratch, ignore_errors=True)
        return stored

    def system(self, name: str) -> Path:
        """Return the file of the machine's load while an experiment ran, or while an adapter was trained."""
        return self.root / "system" / f"{name}.jsonl"

    def router(self, key: str) -> Path:
        """Return the folder of what a router knows of one adapter."""
        return self.root / "routers" / key

    def probe(self, key: str) -> Path:
        """Return the folder of a probe's measurement."""
        return self.root / "probes" / key

    def fit(self, key: str) -> FitRecord:
        """Return how the fit of a finished step went.

        Raises:
            IntegrityError: this is damaged or missing.
        """
        path = self.step(key) / "fit.json"
        found = sealed.read(FIT, path)
        if found is None:
            raise IntegrityError("missing: how this step was learned", where=str(path))
        return found

    def save_fit(self, fit: FitRecord, folder: Path) -> None:
        """Write how the fit of a step went into what will be the step's folder."""
        (folder / "fit.json").write_text(sealed.text_of(FIT, fit), encoding="utf-8")

    def outcome(self, key: str, name: str) -> StageOutcome | None:
        """Return a step's outcome, or None if it has not been evaluated in this way yet.

        Raises:
            IntegrityError: it is damaged, and nobody is mending.
        """
        path = self.step(key) / name
        return self.mending.known(path, lambda: sealed.read(OUTCOME, path))

    def finished(self, key: str, name: str) -> StageOutcome | None:
        """Return a step's outcome, if all that it was taken from is there too; else None. Raises as :meth:`outcome`."""
        outcome = self.outcome(key, name)
        whole = outcome and all(self.evaluation(cell.evaluation) for cell in outcome.cells if cell.evaluation)
        return outcome if whole else None

    def save_outcome(self, key: str, name: str, outcome: StageOutcome) -> None:
        """Write a step's outcome."""
        sealed.write(OUTCOME, outcome, self.step(key) / name)

    def evaluation(self, key: str) -> StoredEvaluation | None:
        """Return a stored evaluation, or None.

        Raises:
            IntegrityError: a file of it is damaged or missing, and nobody is mending.
        """
        folder = self.root / "evaluations" / key
        return self.mending.known(folder, lambda: self._evaluation(folder)) if folder.is_dir() else None

    def _evaluation(self, folder: Path) -> StoredEvaluation:
        if folder.name not in self.sound:
            require_readable(folder)
        found = sealed.read(EVALUATION, folder / "evaluation.json")
        if found is None:
            raise IntegrityError("damaged: evaluation.json is missing", where=str(folder))
        self.sound.add(folder.name)
        return found

    def outcomes(self, key: str) -> Path:
        """Return where a stored evaluation's per-example outcomes are."""
        return self.root / "evaluations" / key / OUTCOMES

    def known_outcomes(self, key: str) -> Path:
        """Return the same of an evaluation that is known to have been stored; raises IntegrityError if it is not."""
        if self.evaluation(key) is None:
            raise IntegrityError("missing: the answers to a test split", where=str(self.outcomes(key)))
        return self.outcomes(key)

    def save_evaluation(self, key: str, found: Evaluation) -> StoredEvaluation:
        """Store an evaluation with its per-example outcomes."""
        kept = StoredEvaluation(found.scores, found.logits_sha256, found.seconds, len(found.outcomes))
        with atomic.written_whole(self.root / "evaluations" / key) as folder:
            found.outcomes.to_parquet(folder / OUTCOMES, index=False)
            (folder / "evaluation.json").write_text(sealed.text_of(EVALUATION, kept), encoding="utf-8")
            sealed.seal(folder)
        return kept

    def experiments(self) -> list[str]:
        """Return the names of the experiments that were begun here, sorted."""
        files = (RECORD, FUSION_FILE, COMPARISON_FILE)
        return sorted({path.parent.name for file in files for path in self.root.glob(f"experiments/*/{file}")})

    def require_experiment(self, name: str) -> None:
        """Make sure that an experiment was begun here.

        Raises:
            UnknownNameError: it was not.
            IntegrityError: it was, and its record is gone.
        """
        known = self.experiments()
        if name in known:
            return
        with needed_by(name, ""):
            if name in {path.parent.name for path in self.root.glob("experiments/*/report.json")}:
                raise IntegrityError("missing: the record of this experiment", where=str(self.experiment(name)))
        raise UnknownNameError("experiment", name, known, str(self.root))

    def streams(self) -> list[str]:
        """Return the names of those among the experiments that learn a stream of tasks, sorted."""
        return sorted(path.parent.name for path in self.root.glob(f"experiments/*/{RECORD}"))

    def fits(self, name: str) -> list[tuple[str, FitRecord]]:
        """Return the fits of a stream that are there, each with the label of its strategy.

        Raises:
            IntegrityError: the record or a fit is damaged.
        """
        content = self._content(name) or {"steps": []}
        there = [step for step in content["steps"] if (self.step(step["key"]) / "fit.json").is_file()]
        return [(step["label"], self.fit(step["key"])) for step in there]

    def experiment(self, name: str) -> Path:
        """Return the folder of an experiment."""
        return self.root / "experiments" / name

    def save_record(self, record: Record, steps: list[dict[str, Any]], finished: bool = False) -> None:
        """Write what an experiment consists of; its outcomes are read from the steps.

        A run that goes on with the same steps keeps the circumstances under which they were begun. Once it is
        ``finished``, an outcome that is not there is missing.
        """
        path = self.experiment(record.experiment) / RECORD
        known = self.mending.known(path, lambda: self._content(record.experiment))
        if known and known["steps"] == steps:
            content = {**known, "finished": finished or known.get("finished", False)}
        else:
            content = {**asdict(record), "steps": steps, "finished": finished}
            for derived in DERIVED:
                content.pop(derived)
        if content != known:
            sealed.write(sealed.CONTENT, content, path)

    def _content(self, name: str) -> dict[str, Any] | None:
        """Return what stands in the record of a stream; None where there is none."""
        path = self.experiment(name) / RECORD
        content = sealed.read(sealed.CONTENT, path)
        if content is not None and not isinstance(content.get("steps"), list):
            raise IntegrityError("damaged: this is no record of an experiment", where=str(path))
        return content

    def fusion_record(self, name: str) -> FusionRecord | None:
        """Return a comparison of compositions as far as it has come; None if the experiment is another kind's."""
        with needed_by(name, ""):
            return load(self.experiment(name))

    def comparison_record(self, name: str) -> ComparisonRecord | None:
        """Return a comparison of methods as far as it has come; None if the experiment is another kind's."""
        with needed_by(name, ""):
            return load_comparison(self.experiment(name))

    def record(self, name: str) -> Record:
        """Return an experiment as far as it has come.

        Raises:
            UnknownNameError: no such experiment.
            IntegrityError: a file that it was made of is damaged or missing.
        """
        with needed_by(name, ""):
            content = self._content(name)
        if content is None:
            raise UnknownNameError("experiment", name, self.experiments(), str(self.root))
        try:
            steps, finished = content.pop("steps"), content.pop("finished", False)
            command = content["provenance"].get("command", "")
            content["contenders"] = tuple(Contender(**one) for one in content["contenders"])
            content.setdefault("scenario", "task-incremental")  # of before there were others, or several orders
            content["orders"] = tuple(tuple(order) for order in content.get("orders", [content["tasks"]]))
            fields: dict[str, Any] = {
                field: tuple(value) if isinstance(value, list) else value for field, value in content.items()
            }
            blank = Record(**fields, outcomes=(), examples={})
            last = [step for step in steps if step["stage"] == len(content["tasks"])]
        except (KeyError, TypeError, AttributeError) as error:
            what = f"damaged: this is no record of an experiment ({error})"
            raise IntegrityError(what, where=str(self.experiment(name) / RECORD)) from None
        with needed_by(name, command):
            outcomes = self._outcomes(steps, finished)
        return replace(
            blank,
            outcomes=tuple(outcomes),
            examples=self._examples(outcomes),
            adapters={
                (step["label"], step["seed"], step.get("order", 0)): self._isolated(step["key"]) for step in last
            },
        )

    def _outcomes(self, steps: list[dict[str, Any]], finished: bool) -> list[StageOutcome]:
        """Return the outcomes of a record's steps; all that are damaged or missing are named in one error."""
        found, damaged = [], []
        for step in steps:
            try:
                outcome = self._relabelled(step)
                if outcome is None and finished and not self.mending.listener:
                    path = self.step(step["key"]) / step["outcome"]
                    raise IntegrityError("missing: what this step came to", where=str(path))
            except IntegrityError as error:
                damaged.append(error)
                continue
            if outcome:
                found.append(outcome)
        if damaged:
            first, *others = damaged
            also = "".join(f"; also {one.where}: {one.what}" for one in others[:3])
            more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
            raise IntegrityError(f"{first.what}{also}{more}", where=first.where)
        return found

    def _isolated(self, step: str) -> dict[str, StoredAdapter]:
        """Return the adapters that a step left, by task, as far as they are still there; none where tasks share one."""
        found = {}
        with suppress(IntegrityError):  # a report needs none of them
            for task, name in adapter_ids(self.step(step) / "state").items():
                with suppress(UnknownNameError, IntegrityError):
                    found[task] = self.adapters.get(name)
        return found

    def _relabelled(self, step: dict[str, Any]) -> StageOutcome | None:
        """Return a step's outcome under the label and the order that this experiment gives it."""
        outcome = self.outcome(step["key"], step["outcome"])
        if outcome is None:
            return None
        for cell in outcome.cells if not self.mending.listener else ():
            if cell.evaluation:
                self.known_outcomes(cell.evaluation)
        return replace(outcome, strategy=step["label"], order=step.get("order", 0))

    def _examples(self, outcomes: list[StageOutcome]) -> dict[tuple[str, int, int, int, str], Path]:
        return {
            (outcome.strategy, outcome.seed, outcome.order, outcome.stage, cell.task): self.outcomes(cell.evaluation)
            for outcome in outcomes
            for cell in outcome.cells
        }

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold an experiment, so that it is not run twice at the same time; the lock dies with the process.

        What killed runs have left half-written is swept.

        Raises:
            InputError: somebody else holds it.
            UnwritableError: the workspace cannot be written.
        """
        with self._opened(self.experiment(name) / ".lock") as lock:
            if is_first():
                if not _held(lock, fcntl.LOCK_NB):
                    hint = "Wait for it, or use another --workspace."
                    raise InputError(f"{name!r} is being run in this workspace already", hint=hint)
                self.sweep()
            yield

    @contextmanager
    def claimed(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold a piece of work, so that no other process does it at the same time; the claim dies with the process.

        Yields whether it is held: True once nobody else does; with ``wait=False`` at once. Processes that share each
        fit do everything in step and claim nothing.
        """
        if processes.count() > 1:
            yield True
            return
        with self._opened(self.root / "claims" / key) as lock:
            yield _held(lock, 0 if wait else fcntl.LOCK_NB)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            what = f"cannot write to the workspace: {error}"
            raise UnwritableError(what, where=str(self.root), hint="Name another --workspace.") from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _held(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | how)
    except BlockingIOError:
        return False
    return True


def find_workspace(option: Path | None) -> Workspace:
    """Return the workspace of ``--workspace``, else of ``$WORKBENCH_HOME``, else ``./.workbench``."""
    return Workspace(Path(option or os.environ.get("WORKBENCH_HOME") or ".workbench").absolute())
