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
    claims/KEY                      an empty file that whoever does a piece of work holds meanwhile
    experiments/NAME/record.json    which steps make up the experiment, and all that is the same for them
    experiments/NAME/fusion.json    the same for a comparison of compositions, by its trials
    experiments/NAME/comparison.json  a comparison of methods, with all numbers of its report
    mlflow.db, mlartifacts/         MLflow, unless $MLFLOW_TRACKING_URI says otherwise

Folders appear whole or not at all; a key is the digest of everything that determines the content, so that work done
once is done for every run that needs it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from experiments.comparing.notes import Notes
from experiments.comparing.record import FILE as COMPARISON_FILE
from experiments.comparing.record import ComparisonRecord
from experiments.comparing.record import load as load_comparison
from experiments.comparing.tuning import Attempt
from experiments.composing.record import FILE as FUSION_FILE
from experiments.composing.record import FusionRecord, load
from experiments.composing.result import Results
from experiments.record import Contender, Record
from experiments.strategies import ADAPTERS_FILE
from workbench import assets, processes
from workbench.contracts import FitRecord, MeasuredCost, StageOutcome
from workbench.errors import InputError, IntegrityError, UnknownNameError
from workbench.processes import is_first
from workbench.store import AdapterStore

if TYPE_CHECKING:
    from workbench.contracts import Listener
    from workbench.evaluation import Evaluation
    from workbench.learning import Lesson
    from workbench.store import StoredAdapter

OUTCOME = TypeAdapter(StageOutcome)
FIT = TypeAdapter(FitRecord)


@dataclass(frozen=True)
class StoredEvaluation:
    """What is left of an :class:`Evaluation` when its per-example outcomes stay on disk."""

    scores: dict[str, float]
    logits_sha256: str
    seconds: float
    examples: int


class Workspace:
    """Everything below one folder."""

    def __init__(self, root: Path) -> None:
        """Use ``root``; it is made when something is first written."""
        self.root = root

    @cached_property
    def adapters(self) -> AdapterStore:
        """The adapter store."""
        return AdapterStore(self.root / "adapters")

    @cached_property
    def trials(self) -> Results:
        """The results of comparisons of compositions."""
        return Results(self.root / "trials")

    @cached_property
    def attempts(self) -> Notes[Attempt]:
        """The learning rates that comparisons of methods have tried, by the key of the lesson."""
        return Notes(self.root / "attempts", Attempt)

    @cached_property
    def costs(self) -> Notes[MeasuredCost]:
        """What methods were measured to take."""
        return Notes(self.root / "costs", MeasuredCost)

    def step(self, key: str) -> Path:
        """Return the folder of a step."""
        return self.root / "steps" / key

    def scratch(self, key: str) -> Path:
        """Return where a fit that takes long keeps its checkpoints until it is done."""
        return self.root / "fits" / key

    def learned(self, lesson: Lesson, listener: Listener, label: str) -> StoredAdapter:
        """Return a lesson's adapter from the store, trained if it is not there yet; its checkpoints are cleared away.

        A process that is training it already is waited for.

        Raises:
            TrainingError: the fit failed; nothing was stored.
        """
        from workbench.learning import learn  # torch and all: who reads a report does not need it

        scratch = self.scratch(lesson.key)
        with self.claimed(lesson.key):
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
        """Return how the fit of a finished step went."""
        return FIT.validate_json((self.step(key) / "fit.json").read_bytes())

    def outcome(self, key: str, name: str) -> StageOutcome | None:
        """Return a step's outcome, or None if it has not been evaluated in this way yet."""
        path = self.step(key) / name
        return OUTCOME.validate_json(path.read_bytes()) if path.is_file() else None

    def save_outcome(self, key: str, name: str, outcome: StageOutcome) -> None:
        """Write a step's outcome."""
        assets.write_whole(self.step(key) / name, OUTCOME.dump_json(outcome, indent=2))

    def evaluation(self, key: str) -> StoredEvaluation | None:
        """Return a stored evaluation, or None."""
        path = self.root / "evaluations" / key / "evaluation.json"
        return StoredEvaluation(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def outcomes(self, key: str) -> Path:
        """Return the file of a stored evaluation's per-example outcomes."""
        return self.root / "evaluations" / key / "outcomes.parquet"

    def save_evaluation(self, key: str, found: Evaluation) -> StoredEvaluation:
        """Store an evaluation with its per-example outcomes."""
        kept = StoredEvaluation(found.scores, found.logits_sha256, found.seconds, len(found.outcomes))
        with assets.written_whole(self.root / "evaluations" / key) as folder:
            found.outcomes.to_parquet(folder / "outcomes.parquet", index=False)
            (folder / "evaluation.json").write_text(json.dumps(asdict(kept), indent=2), encoding="utf-8")
        return kept

    def experiments(self) -> list[str]:
        """Return the names of the experiments that were begun here, sorted."""
        files = ("record.json", FUSION_FILE, COMPARISON_FILE)
        return sorted({path.parent.name for file in files for path in self.root.glob(f"experiments/*/{file}")})

    def streams(self) -> list[str]:
        """Return the names of those among the experiments that learn a stream of tasks, sorted."""
        return sorted(path.parent.name for path in self.root.glob("experiments/*/record.json"))

    def fits(self, name: str) -> list[tuple[str, FitRecord]]:
        """Return the fits of a stream that are there, each with the label of its strategy."""
        content = json.loads((self.experiment(name) / "record.json").read_text(encoding="utf-8"))
        there = [step for step in content["steps"] if (self.step(step["key"]) / "fit.json").is_file()]
        return [(step["label"], self.fit(step["key"])) for step in there]

    def experiment(self, name: str) -> Path:
        """Return the folder of an experiment."""
        return self.root / "experiments" / name

    def save_record(self, record: Record, steps: list[dict[str, Any]]) -> None:
        """Write what an experiment consists of; its outcomes are read from the steps.

        A run that goes on with the same steps keeps the circumstances under which they were begun.
        """
        path = self.experiment(record.experiment) / "record.json"
        if path.is_file() and json.loads(path.read_text(encoding="utf-8"))["steps"] == steps:
            return
        content = {**asdict(record), "steps": steps}
        for derived in ("outcomes", "examples", "adapters"):
            content.pop(derived)
        assets.write_whole(path, json.dumps(content, indent=2))

    def fusion_record(self, name: str) -> FusionRecord | None:
        """Return a comparison of compositions as far as it has come; None if the experiment is another kind's."""
        return load(self.experiment(name))

    def comparison_record(self, name: str) -> ComparisonRecord | None:
        """Return a comparison of methods as far as it has come; None if the experiment is another kind's."""
        return load_comparison(self.experiment(name))

    def record(self, name: str) -> Record:
        """Return an experiment as far as it has come.

        Raises:
            UnknownNameError: no such experiment.
        """
        if name not in self.experiments():
            raise UnknownNameError("experiment", name, self.experiments(), str(self.root))
        path = self.experiment(name) / "record.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise IntegrityError(f"not readable: {error}", where=str(path)) from None
        steps = content.pop("steps")
        outcomes = [outcome for step in steps if (outcome := self._relabelled(step))]
        contenders = tuple(Contender(**one) for one in content.pop("contenders"))
        content.setdefault("scenario", "task-incremental")  # a record of before there were others, or several orders
        content["orders"] = tuple(tuple(order) for order in content.get("orders", [content["tasks"]]))
        fields: dict[str, Any] = {
            field: tuple(value) if isinstance(value, list) else value for field, value in content.items()
        }
        return Record(
            **fields,
            contenders=contenders,
            outcomes=tuple(outcomes),
            examples=self._examples(outcomes),
            adapters={
                (step["label"], step["seed"], step.get("order", 0)): self._isolated(step["key"])
                for step in steps
                if step["stage"] == len(content["tasks"])
            },
        )

    def _isolated(self, step: str) -> dict[str, StoredAdapter]:
        """Return the adapters that a step left, by task, as far as they are still there; none where tasks share one."""
        file, found = self.step(step) / "state" / ADAPTERS_FILE, {}
        ids: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for task, name in ids.items():
            with suppress(UnknownNameError, IntegrityError):  # a report needs none of them
                found[task] = self.adapters.get(name)
        return found

    def _relabelled(self, step: dict[str, Any]) -> StageOutcome | None:
        """Return a step's outcome under the label and the order that this experiment gives it."""
        outcome = self.outcome(step["key"], step["outcome"])
        own = {"strategy": step["label"], "order": step.get("order", 0)}
        return OUTCOME.validate_python({**asdict(outcome), **own}) if outcome else None

    def _examples(self, outcomes: list[StageOutcome]) -> dict[tuple[str, int, int, int, str], Path]:
        return {
            (outcome.strategy, outcome.seed, outcome.order, outcome.stage, cell.task): self.outcomes(cell.evaluation)
            for outcome in outcomes
            for cell in outcome.cells
        }

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold an experiment, so that it is not run twice at the same time; the lock dies with the process.

        Raises:
            InputError: somebody else holds it, or the workspace cannot be written.
        """
        with self._opened(self.experiment(name) / ".lock") as lock:
            if is_first() and not _held(lock, fcntl.LOCK_NB):
                hint = "Wait for it, or use another --workspace."
                raise InputError(f"{name!r} is being run in this workspace already", hint=hint)
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
            raise InputError(f"cannot write to the workspace: {error}", where=str(self.root)) from None
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
