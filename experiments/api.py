"""The workbench from Python: what the commands do, as methods that return objects."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from experiments.plan import make_plan
from experiments.publish import Publisher, write_files
from experiments.recipe import find_recipe
from experiments.report.summary import summarise
from experiments.run import pending, run
from experiments.testing import evaluation_key, majority, test
from experiments.workspace import StoredEvaluation, find_workspace
from tasks import registry
from workbench.adaptation import Adaptation
from workbench.backbone import open_backbone
from workbench.contracts import Silent
from workbench.errors import InputError
from workbench.evaluation import predict
from workbench.learning import Lesson, learn, open_adapter
from workbench.methods import METHODS
from workbench.model import resolve_precision
from workbench.settings import Budget, Document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.plan import Plan, Step
    from experiments.report.document import Report
    from workbench.contracts import Listener
    from workbench.store import StoredAdapter


@dataclass(frozen=True)
class Trained:
    """An adapter, and how it does on the test split."""

    adapter: StoredAdapter
    test: StoredEvaluation
    majority: float


@dataclass(frozen=True)
class Prediction:
    """What an adapter says about one text; ``confidence`` is the label's probability."""

    text: str
    label: str
    confidence: float


class Workbench:
    """One workspace and the tasks that can be seen from here."""

    def __init__(
        self,
        workspace: Path | None = None,
        task_folders: Sequence[Path] | None = None,
        listener: Listener | None = None,
    ) -> None:
        """Use a workspace as ``--workspace`` does, and task folders as ``--tasks`` does."""
        self.workspace = find_workspace(workspace)
        self.task_folders = registry.user_folders(task_folders)
        self.listener: Listener = listener or Silent()

    def lesson(self, task: str, method: str, backbone: str = "minilm", seed: int = 0, **settings: Any) -> Lesson:
        """Return what :meth:`train` would learn.

        Args:
            task: name of a task.
            method: name of a method.
            backbone: name, hub id or folder.
            seed: for every random choice.
            settings: the method's hyper-parameters, and ``budget`` as a mapping.

        Raises:
            InputError: an unknown name or setting, or data that do not fit.
        """
        return self._lesson(task, method, backbone, seed, Document(settings, "settings"))

    def lesson_from(self, task: str, method: str, backbone: str, seed: int, assignments: Sequence[str]) -> Lesson:
        """Return the lesson that ``key=value`` assignments describe; raises as :meth:`lesson`."""
        return self._lesson(task, method, backbone, seed, Document({}, "command line").set(assignments))

    def train(self, lesson: Lesson) -> Trained:
        """Train the lesson's adapter, or take it from the store, and test it.

        Raises:
            TrainingError: the fit failed; nothing was stored.
        """
        label = f"{lesson.task.name} · {lesson.adaptation.method}"
        scratch = self.workspace.scratch(lesson.key)
        adapter = learn(lesson, self.workspace.adapters, self.listener, label, scratch)
        shutil.rmtree(scratch, ignore_errors=True)
        where = evaluation_key(adapter.identity, lesson.task, lesson.budget)
        tested = self.workspace.evaluation(where)
        if tested is None:
            backbone = lesson.adaptation.backbone
            found = test(open_adapter(adapter, backbone), lesson.task, backbone, lesson.budget)
            tested = self.workspace.save_evaluation(where, found)
        return Trained(adapter, tested, majority(lesson.task, lesson.budget))

    def predict(self, adapter: str, texts: Sequence[Any], backbone: str | None = None) -> list[Prediction]:
        """Return the adapter's answer for each text (for a pair task: for each (text, text_pair)).

        Raises:
            UnknownNameError: no such adapter.
            InputError: no texts, texts where pairs are needed, or a backbone that the adapter does not belong to.
        """
        stored = self.workspace.adapters.verify(adapter)
        manifest = stored.manifest
        if not texts:
            raise InputError("there is nothing to predict", hint="Give texts, or --file.")
        rows = _rows(texts)
        if ("text_pair" in rows.column_names) != manifest.task.pair:
            wanted = "pairs of texts" if manifest.task.pair else "single texts"
            raise InputError(f"{stored.id} answers for {wanted}", hint="--pair gives the second text of a pair.")
        opened = open_backbone(backbone or manifest.backbone.name)
        model = open_adapter(stored, opened)
        outcomes = model.kind.outcomes(rows, predict(model, rows, opened.tokenizer, manifest.budget.max_length))
        answers = zip(rows["text"][:], outcomes["prediction"], outcomes["confidence"], strict=True)
        return [Prediction(text, manifest.task.labels[int(label)], float(sure)) for text, label, sure in answers]

    def plan(self, recipe: str, assignments: Sequence[str] = ()) -> Plan:
        """Return what :meth:`run` would do; raises as :func:`experiments.plan.make_plan`."""
        return make_plan(find_recipe(recipe).set(assignments), self.task_folders)

    def pending(self, plan: Plan) -> list[Step]:
        """Return the steps of ``plan`` that still have to be trained."""
        return pending(plan, self.workspace)

    def run(self, plan: Plan, command: str = "") -> Report:
        """Do whatever of ``plan`` is not done yet, keep MLflow up with it, and return the report.

        Raises:
            TrainingError: a fit failed; what was finished before is kept.
        """
        publisher = Publisher(self.workspace, self.listener)
        record = run(plan, self.workspace, self.listener, command, publisher.stage)
        report = summarise(record)
        write_files(report, self.workspace.experiment(record.experiment))
        publisher.finish(report)
        return report

    def report(self, experiment: str) -> Report:
        """Return the report on an experiment, from what is stored; no model is needed.

        Raises:
            UnknownNameError: no such experiment in this workspace.
        """
        return summarise(self.workspace.record(experiment))

    def _lesson(self, task: str, method: str, backbone: str, seed: int, document: Document) -> Lesson:
        card = METHODS.get(method)
        own = {name: value for name, value in document.data.items() if name != "budget"}
        wanted = document.data.get("budget", {})
        settings, budget = document.parse_parts(((), own, card.settings), (("budget",), wanted, Budget))
        spec = registry.find(task, self.task_folders)
        opened = open_backbone(backbone)
        opened.require_length(budget.max_length, document.where("budget", "max_length"))
        adaptation = Adaptation(opened, method, settings, resolve_precision(budget.precision))
        return Lesson(registry.load(spec), adaptation, budget, seed)


def _rows(texts: Sequence[Any]) -> Dataset:
    columns: dict[str, list[Any]] = {"id": [str(index) for index in range(len(texts))], "label": [0] * len(texts)}
    pairs = [isinstance(text, tuple | list) for text in texts]
    if any(pairs) and not all(pairs):
        raise InputError("some texts are pairs and some are not")
    columns["text"] = [text[0] for text in texts] if all(pairs) else list(texts)
    if all(pairs):
        columns["text_pair"] = [text[1] for text in texts]
    return Dataset.from_dict(columns)
