"""The workbench from Python: what the commands do, as methods; what takes long to import is imported there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapter_workbench.experiments.answers.exchange import Exchange
from adapter_workbench.experiments.answers.made_adapters import FusedAdapter, Trained
from adapter_workbench.experiments.answers.naming import adapter_id
from adapter_workbench.experiments.answers.predicting import Prediction, Predictions, Predictor
from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.gating.release import Release
from adapter_workbench.experiments.requests.fuse import FuseRequest
from adapter_workbench.experiments.requests.lesson import BACKBONE, LessonRequest
from adapter_workbench.experiments.requests.request import taking
from adapter_workbench.experiments.requests.update import UpdateRequest
from adapter_workbench.experiments.running import Experiments
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from datasets import Dataset

    from adapter_workbench.experiments.answers.drift.result import Drift
    from adapter_workbench.experiments.answers.evaluated import Evaluated
    from adapter_workbench.experiments.answers.routed_predictions import RoutedPrediction
    from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
    from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
    from adapter_workbench.experiments.gating.updating import UpdatedTask
    from adapter_workbench.experiments.studies.compositions.report import FusionReport
    from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
    from adapter_workbench.experiments.updates.plan import UpdatePlan
    from adapter_workbench.fusion.routing.rejection import Rejection
    from adapter_workbench.tasks.reading.known_dialect import KnownDialect
    from adapter_workbench.tasks.task_file.task_file import TaskFile
    from adapter_workbench.workbench.training import Lesson, Teachable


class Workbench(Experiments):
    """One workspace and the tasks that can be seen from here."""

    @property
    def exchange(self) -> Exchange:
        """Adapters in and out: export, import, tests, and LoRAs out of other methods."""
        return Exchange(self.workspace, self.task_folders, self.listener)

    @property
    def release(self) -> Release:
        """What answers under a task's name: gates, champions and their copy in MLflow's registry, rollback."""
        return Release(self.workspace, self.task_folders, self.listener)

    def lesson(self, task: str, method: str, backbone: str = BACKBONE, seed: int = 0, **settings: Any) -> Lesson:
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
        return self._lesson(LessonRequest(task, method, backbone, seed), Document(settings, "settings"))

    @taking(LessonRequest)
    def lesson_from(self, request: LessonRequest) -> Lesson:
        """Return the lesson that ``key=value`` assignments describe.

        Args:
            request: its fields, by position or by name: ``lesson_from("tickets", "lora", assignments=["rank=16"])``.

        Raises:
            InputError: as :meth:`lesson`.
        """
        return self._lesson(request, Document({}, "command line").set(request.assignments))

    def _lesson(self, request: LessonRequest, settings: Document) -> Lesson:
        from adapter_workbench.experiments.engine.lesson import plan_lesson

        asked = request.task, request.method, request.backbone, request.seed
        return plan_lesson(settings, *asked, self.task_folders)

    def train(self, lesson: Lesson) -> Trained:
        """Train the lesson's adapter, or take it from the store, test it, and log it to MLflow.

        Raises:
            TrainingError: the fit failed; nothing was stored.
        """
        from adapter_workbench.experiments.answers.training import trained
        from adapter_workbench.experiments.tracking.anew import bring_here

        result = trained(self.workspace, lesson, self.listener)
        bring_here(self.workspace, self.listener)
        return result

    @taking(UpdateRequest)
    def update_plan(self, request: UpdateRequest) -> UpdatePlan:
        """Return what :meth:`update` would learn: from the champion of an earlier version of a task to the newest.

        Method, backbone, settings and budget are the champion's.

        Args:
            request: its fields, by position or by name: ``update_plan("tickets", "replay", forget_rows=False)``.

        Raises:
            UnknownNameError: no such task or way.
            InputError: no champion, no newer version, or a way that is not possible here.
            IntegrityError: the champion or a version is damaged.
        """
        from adapter_workbench.experiments.updates.plan import plan_update

        return plan_update(request, self.workspace, self.task_folders, self.listener)

    def update(
        self,
        plan: UpdatePlan,
        bounds: AdapterBounds | None = None,
        leakage: float = 1.0,
        beside: CandidateBounds | None = None,
    ) -> UpdatedTask:
        """Make the adapter of a task's next version, compare it with the champion, and register it if all bounds hold.

        Args:
            plan: see :meth:`update_plan`.
            bounds: on the new adapter; by default it may not lose against the champion
                (:mod:`adapter_workbench.experiments.gating.takeover`).
            leakage: percent of the rows of a split that may stand in a split before it.
            beside: bounds on what it loses against the champion; by default none.

        Raises:
            InputError: a bound that cannot be measured; nothing was trained.
            TrainingError: the fit failed; nothing was stored.
            TrackingError: the server does not answer, or cannot register models.
        """
        from adapter_workbench.experiments.gating.adapter_bounds import MARGIN, AdapterBounds

        return self.release.update(plan, bounds or AdapterBounds(below_champion=MARGIN), leakage, beside)

    def chosen(self, name: str, champions: bool = True) -> str:
        """Return the id of the adapter that ``name`` means, and tell the listener why it is that one.

        The name is an id, the name of a task (of its adapters that a person asked for the champion, else the best on
        the same validation examples, measured here, else the newest), ``TASK.METHOD`` or ``TASK-METHOD``, or the
        beginning of an id. What experiments left is meant by an id alone, until ``release.promote`` takes it over.

        Args:
            name: what a person wrote; every method here that wants an adapter takes such a name.
            champions: whether champions are asked for.

        Raises:
            UnknownNameError: no adapter is meant.
            InputError: several ids begin so, or it is a task without adapters, or with experiments' alone.
            IntegrityError: the champion, or the file that names it, is damaged.
        """
        return adapter_id(self.workspace, name, self.listener, self.task_folders, champions)

    def predict(
        self, adapter: str, texts: Sequence[Any], backbone: str | None = None, alone: bool = False
    ) -> Predictions[Prediction]:
        """Return the adapter's answer for each text (for a pair task: for each (text, text_pair)).

        ``alone`` computes each text by itself, so that no other text changes the last digits of its answer.

        Raises:
            UnknownNameError: no such adapter.
            InputError: no texts, texts where pairs are needed, or a backbone that the adapter does not belong to.
        """
        return self.predictor(adapter, backbone, alone)(texts)

    def predictor(self, adapter: str, backbone: str | None = None, alone: bool = False) -> Predictor:
        """Return what answers as :meth:`predict` does, and raises as it does, with the model opened once."""
        return Predictor(self.workspace.adapters.verify(self.chosen(adapter)), backbone, alone)

    def evaluate(
        self,
        adapter: str,
        table: Path | str | pd.DataFrame | Dataset,
        text: str | None = None,
        label: str | None = None,
        pair: str | None = None,
        backbone: str | None = None,
    ) -> Evaluated:
        """Return how well an adapter answers rows that are labelled; nothing is stored or logged.

        Rows without a text or a label, and rows with labels that the task does not have, are counted and left out.

        Args:
            adapter: what it is called, see :meth:`chosen`.
            table: a file as ``workbench predict --file`` reads it, or its columns.
            text: the column of the texts; by default those of the task's file, else ``text``.
            label: the column of what is right; by default that of the task's file, else what the kind of task calls it.
            pair: the column of the second texts; by default that of the task's file.
            backbone: where the adapter's backbone is, if not where it was.

        Raises:
            UnknownNameError: no such adapter.
            InputError: no such file or column, no row that can be judged, or a backbone of other adapters.
            DataError: the file cannot be read, or a column holds something else than the task needs.
        """
        from adapter_workbench.experiments.answers.table_evaluation import (
            evaluate_table,
            file_or_columns,
            require_columns,
            table_of,
        )
        from adapter_workbench.tasks.rows.row_files import FileRows
        from adapter_workbench.tasks.rows.table_form import NamedColumns, expected_columns

        table = file_or_columns(table)
        predictor, named = self.predictor(adapter, backbone), NamedColumns(text, pair, label)
        file = self.task_file(predictor.task.name)
        if isinstance(table, Path):
            known, where = self.known_dialect(predictor.task.name), str(table)
            rows = FileRows(table, expected_columns(file, named), known)
            require_columns(predictor.task, file, rows.columns, named, where)
            frame = table_of(rows)
        else:
            where, frame = "table", table
        return evaluate_table(predictor, file, frame, named, where)

    def drift(
        self,
        adapter: str,
        table: Path | str | pd.DataFrame | Dataset,
        text: str | None = None,
        labels: str | None = None,
        pair: str | None = None,
        backbone: str | None = None,
        level: float = 0.05,
        max_lost: float | None = None,
        max_foreign: float = 0.0,
    ) -> Drift:
        """Return whether the rows of a table are still those of an adapter's task, beside its held-out test rows.

        Args:
            adapter: what it is called, see :meth:`chosen`; a task's name means its champion.
            table: a file with columns as ``workbench predict --file`` reads it, or its columns.
            text: the column of the texts; by default those of the task's file, else ``text``.
            labels: the column of what is right; by default right answers are not compared.
            pair: the column of the second texts; by default that of the task's file.
            backbone: where the adapter's backbone is, if not where it was.
            level: the chance of any false alarm.
            max_lost: points of right answers that may be lost; by default no more than chance explains.
            max_foreign: percent of rows that may be unlike the task's own before it is an alarm.

        Raises:
            UnknownNameError: no such adapter.
            InputError: no such file or column, no row with a text, or the task's data have changed or are not here.
            DataError: the file cannot be read.
        """
        from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
        from adapter_workbench.experiments.answers.drift.drift import drift_of
        from adapter_workbench.experiments.answers.drift.new_rows import of_table
        from adapter_workbench.tasks.rows.table_form import NamedColumns

        predictor, named = self.predictor(adapter, backbone), NamedColumns(text, pair, labels)
        bounds = DriftBounds(level, max_lost, max_foreign)
        bounds.require_possible(predictor.task, labels is not None)
        name = predictor.task.name
        new = of_table(predictor.task, self.task_file(name), table, named, self.known_dialect(name))
        return drift_of(self.workspace, predictor.adapter, new, bounds, backbone, self.task_folders, self.listener)

    def task_file(self, task: str) -> TaskFile | None:
        """Return what the file of a task says, which is not loaded; None where none can be seen from here."""
        from adapter_workbench.experiments.answers.adapter_task import task_file

        return task_file(task, self.task_folders)

    def known_dialect(self, task: str) -> KnownDialect | None:
        """Return how the files of a task are written; None where that is not to be seen from here."""
        from adapter_workbench.experiments.answers.adapter_task import known_dialect

        return known_dialect(task, self.task_folders)

    def route(
        self,
        router: str,
        texts: Sequence[Any],
        among: Sequence[str] = (),
        backbone: str | None = None,
        assignments: Sequence[str] = (),
        rejection: Rejection | None = None,
    ) -> Predictions[RoutedPrediction]:
        """Return for each text the answer of the adapter that ``router`` chooses for it.

        Args:
            router: its name.
            texts: as for :meth:`predict`.
            among: what the adapters to choose from are called, see :meth:`chosen`; by default one for each task: the
                one that its name means, among those that fit the texts, the router and the backbone.
            backbone: where the adapters' backbone is, if not where it was.
            assignments: the router's settings, as ``key=value``.
            rejection: when a text is of none of these tasks, and gets no answer; by default every text gets one.

        Raises:
            UnknownNameError: no such router or adapter.
            InputError: no texts, no adapters that fit, adapters that do not go together, or a router that needs the
                data of a task which are not there or have changed.
        """
        from adapter_workbench.fusion.routing.routers import ROUTERS

        ROUTERS.require(router)
        from adapter_workbench.experiments.answers.routed_predictions import (
            route_texts,  # torch comes with it, and mistakes are reported without it
        )

        settings = Document({}, "command line").set(assignments)
        return Predictions(
            route_texts(
                self.workspace, router, settings, texts, among, backbone, self.task_folders, self.listener, rejection
            )
        )

    @taking(FuseRequest)
    def fusion_plan(self, request: FuseRequest) -> FusionPlan:
        """Return what :meth:`fuse` would do.

        Args:
            request: its fields, by position or by name: ``fusion_plan("tickets", "auto:3", shots=16)``.

        Raises:
            InputError: an unknown name or setting, or sources that do not go together.
        """
        from adapter_workbench.experiments.studies.compositions.single import plan_fuse

        return plan_fuse(request, self.workspace, self.task_folders, self.listener)

    def fuse(self, plan: FusionPlan, command: str = "", keep: str = "validation") -> FusedAdapter:
        """Make what a :meth:`fusion_plan` describes beside the plain alternatives, and keep one of these adapters.

        Args:
            plan: what is fused.
            command: that asks for it, for the record.
            keep: ``validation`` keeps what validation rows put first, ``fusion`` the fusion; or the name of one of
                them in the report.

        Raises:
            InputError: ``keep`` is none of these; nothing was trained.
            TrainingError: a fit failed; what was finished before is kept.
        """
        from adapter_workbench.experiments.answers.tracked import log
        from adapter_workbench.experiments.studies.compositions.single import (
            choose,
            keepable,
            kept_adapter,
            require_keepable,
        )
        from adapter_workbench.experiments.workspace.evaluating import evaluate_stored
        from adapter_workbench.workbench.methods.kinds import KINDS

        require_keepable(plan, keep)
        workspace = self.workspace.mending(self.listener).making_for("fuse")
        problem = next(plan.problems(plan.seeds[0]))
        report = cast("FusionReport", self.run(plan, command))
        chosen = choose(report, keepable(plan), keep)
        adapter = kept_adapter(plan, chosen, Site(workspace, self.listener))
        workspace.origins.ask(adapter.id, "fuse")
        evaluation = evaluate_stored(workspace, adapter, problem.target, problem.backbone, problem.budget)
        log(adapter, self.workspace, self.listener)
        score, rows = evaluation.scores[KINDS.get(problem.target.kind).metric], len(problem.target.splits["train"])
        return FusedAdapter(adapter, report, chosen, score, rows)

    def updates(self, lesson: Teachable) -> int:
        """Return how many optimiser steps :meth:`train` takes."""
        from adapter_workbench.experiments.engine.forecast import lesson_updates

        return 0 if lesson.adapter_id in self.workspace.adapters else lesson_updates(lesson)
