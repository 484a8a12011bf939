"""The workbench from Python: what the commands do, as methods; what takes long to import is imported there."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapter_workbench.experiments.answers.exchange import Exchange
from adapter_workbench.experiments.answers.made_adapters import FusedAdapter, Trained
from adapter_workbench.experiments.answers.naming import adapter_id
from adapter_workbench.experiments.answers.predicting import Prediction, Predictions, Predictor
from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.engine.recipes import find_recipe
from adapter_workbench.experiments.engine.run import pending, run
from adapter_workbench.experiments.engine.system_metrics import record_system_metrics
from adapter_workbench.experiments.engine.until_decided import (
    MOST_SEEDS,
    UntilDecided,
    planned_looks,
    seeds_to_extend,
    undecided,
)
from adapter_workbench.experiments.engine.work import work_of
from adapter_workbench.experiments.engine.workers import machines, workers
from adapter_workbench.experiments.gating.release import Release
from adapter_workbench.experiments.requests.examine import ExamineRequest
from adapter_workbench.experiments.requests.fuse import FuseRequest
from adapter_workbench.experiments.requests.repair import RepairRequest
from adapter_workbench.experiments.requests.request import taking
from adapter_workbench.experiments.requests.update import UpdateRequest
from adapter_workbench.experiments.studies import STUDIES, present_change, report_of, report_on, study_for
from adapter_workbench.experiments.workspace import find_workspace
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import pandas as pd
    from datasets import Dataset

    from adapter_workbench.experiments.answers.drift.result import Drift
    from adapter_workbench.experiments.answers.evaluated import Evaluated
    from adapter_workbench.experiments.answers.routed_predictions import RoutedPrediction
    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.study import Plan, Report
    from adapter_workbench.experiments.engine.until_decided import Step
    from adapter_workbench.experiments.engine.work import Work
    from adapter_workbench.experiments.engine.workers.machine import Machine
    from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
    from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
    from adapter_workbench.experiments.gating.updating import UpdatedTask
    from adapter_workbench.experiments.studies.compositions.report import FusionReport
    from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
    from adapter_workbench.experiments.studies.core.report import StudyReport
    from adapter_workbench.experiments.studies.methods.plan import ComparisonPlan
    from adapter_workbench.experiments.studies.repair.report import RepairReport
    from adapter_workbench.experiments.updates.plan import UpdatePlan
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.fusion.routing.rejection import Rejection
    from adapter_workbench.tasks.reading.known_dialect import KnownDialect
    from adapter_workbench.tasks.task_file.task_file import TaskFile
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.training import Lesson, Teachable

    Watch = Callable[[Work], AbstractContextManager[Listener]]


class Workbench:
    """One workspace and the tasks that can be seen from here."""

    def __init__(
        self,
        workspace: Path | None = None,
        task_folders: Sequence[Path] | Path | str | None = None,
        listener: Listener | None = None,
    ) -> None:
        """Use a workspace as ``--workspace`` does, and task folders as ``--tasks`` does."""
        self.workspace = find_workspace(workspace)
        self.task_folders = registry.user_folders(task_folders)
        self.listener: Listener = listener or Silent()

    @property
    def exchange(self) -> Exchange:
        """Adapters in and out: export, import, tests, and LoRAs out of other methods."""
        return Exchange(self.workspace, self.task_folders, self.listener)

    @property
    def release(self) -> Release:
        """What answers under a task's name: gates, champions and their copy in MLflow's registry, rollback."""
        return Release(self.workspace, self.task_folders, self.listener)

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
        return self._lesson(Document(settings, "settings"), task, method, backbone, seed)

    def lesson_from(self, task: str, method: str, backbone: str, seed: int, assignments: Sequence[str]) -> Lesson:
        """Return the lesson that ``key=value`` assignments describe; raises as :meth:`lesson`."""
        return self._lesson(Document({}, "command line").set(assignments), task, method, backbone, seed)

    def _lesson(self, document: Document, task: str, method: str, backbone: str, seed: int) -> Lesson:
        from adapter_workbench.experiments.engine.lesson import plan_lesson

        return plan_lesson(document, task, method, backbone, seed, self.task_folders)

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

    @taking(ExamineRequest)
    def examination_plan(self, request: ExamineRequest) -> Plan:
        """Return what measures checkpoints that were trained anywhere against the model that they began as.

        :meth:`run` carries it out, and continues it.

        Args:
            request: its fields, by position or by name: ``examination_plan("minilm", ["my-model"], rows=400)``.

        Raises:
            SettingsError: all that is wrong, in one message.
            UnknownNameError, AssetError, UnsafeConfigError: the base model is not to be had, or would run code.
        """
        from adapter_workbench.experiments.studies.stream.plan.examination import examination

        store = self.workspace.adapters
        stages = [str(store.folder(name)) if name in store else name for name in request.checkpoints]
        document = examination(replace(request, checkpoints=stages))
        return study_for(document.data).planner(self.workspace)(document, self.task_folders)

    @taking(RepairRequest)
    def repair_plan(self, request: RepairRequest) -> Plan:
        """Return what :meth:`repair` would do.

        Args:
            request: its fields, by position or by name: ``repair_plan("quickstart", ["refit-head"])``.

        Raises:
            UnknownNameError: no such experiment, repair, entry or task.
            InputError: nothing can be repaired, or data or weights are not those that were learned.
            IntegrityError: a file that is needed is damaged.
        """
        from adapter_workbench.experiments.studies.repair.recipe import plain_repair

        document = plain_repair(request)
        return study_for(document.data).plan(document, self.task_folders, self.workspace)

    @taking(RepairRequest)
    def repair(self, request: RepairRequest) -> RepairReport:
        """Return what repairs bring back of the shared weights of a finished stream, beside doing nothing.

        It is an experiment of its own, which :meth:`run` continues; takes and raises what :meth:`repair_plan` does.
        """
        report: Any = self.run(self.repair_plan(**request.given))
        repaired: RepairReport = report
        return repaired

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
        from adapter_workbench.experiments.studies.compositions.keeping import (
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

    def plan(self, recipe: str, assignments: Sequence[str] = ()) -> Plan:
        """Return what :meth:`run` would do for a recipe of any kind.

        The key that only recipes of one study have says which study it is for; see :mod:`.studies`.

        Raises:
            SettingsError: all that is wrong with the recipe, in one message.
            DataError: a task's data do not fit its file.
        """
        document = find_recipe(recipe).set(assignments)
        make_plan = study_for(document.data).planner(self.workspace)
        return make_plan(document, self.task_folders)

    def comparison_plan(
        self, task: str, methods: Sequence[str], assignments: Sequence[str] = (), **others: Any
    ) -> ComparisonPlan:
        """Return what :meth:`run` would do to compare methods on one task; raises as :meth:`plan`.

        Args:
            task: its name.
            methods: their names, at their default settings.
            assignments: as ``--set`` takes them: ``budget.epochs=5``, ``methods.lora.rank=16``.
            others: the other fields of :class:`adapter_workbench.experiments.studies.methods.recipe.Recipe`.
        """
        from adapter_workbench.experiments.studies.methods.plan import make_plan, plain_comparison

        recipe = {"backbone": "minilm", **plain_comparison(task, methods), **others}
        return make_plan(Document(recipe, "command line").set(assignments), self.task_folders)

    def can_have_more_seeds(self, plan: Plan, report: StudyReport | None = None) -> bool:
        """Return whether seeds can be added to what ``plan`` compares.

        Args:
            plan: of an experiment of any kind.
            report: on it, where there is one: its record says it, and no data are read.
        """
        study = STUDIES.get(plan.study)
        with suppress(InputError):
            facts = study.shared_facts(plan) if report is None else report.record.about()
            return bool(seeds_to_extend(study, plan.name, facts))
        return False

    def pieces(self, plan: Plan) -> Sequence[Piece]:
        """Return all the work of ``plan``, done or not."""
        return [*STUDIES.get(plan.study).pieces(plan)]

    def pending(self, plan: Plan) -> list[Piece]:
        """Return the pieces of ``plan`` that :meth:`run` still has to do."""
        return pending(self.pieces(plan), self.workspace)

    def machines(self, cluster: str) -> Sequence[Machine]:
        """Return the machines of a Ray cluster that :meth:`run` would work on; raises InputError as that does."""
        return machines(cluster)

    def updates(self, lesson: Teachable) -> int:
        """Return how many optimiser steps :meth:`train` takes."""
        from adapter_workbench.experiments.engine.forecast import lesson_updates

        return 0 if lesson.adapter_id in self.workspace.adapters else lesson_updates(lesson)

    def run(
        self,
        plan: Plan,
        command: str = "",
        jobs: int = 1,
        cluster: str | None = None,
        watch: Watch | None = None,
        pieces: Sequence[Piece] | None = None,
        looks: Sequence[int] = (),
    ) -> Report:
        """Do whatever of ``plan`` is not done yet, keep MLflow up with it, and return the report.

        Args:
            plan: of an experiment of any kind.
            command: what to keep as the command that was given.
            jobs: how many processes work on it side by side, each with its share of the processor's cores.
            cluster: address of a Ray cluster, with ``jobs`` processes on each of its machines.
            watch: shows how the work goes that is left to do; what it gives is the listener from then on.
            pieces: those of the plan that are needed; by default all.
            looks: see :meth:`run_until_decided`.

        Raises:
            InputError: Ray is not installed, the cluster cannot be joined, or no machine has memory for a piece.
            TrainingError: a fit failed; what was finished before is kept.
        """
        from adapter_workbench.experiments.engine.publish import Publisher
        from adapter_workbench.experiments.tracking.anew import bring_here

        who, study = workers(jobs, cluster), STUDIES.get(plan.study)
        pieces = self.pieces(plan) if pieces is None else pieces
        watched = watch(work_of(pending(pieces, self.workspace))) if watch else nullcontext(self.listener)
        with watched as self.listener:
            publisher = Publisher(self.workspace, self.listener)

            def on_done(record: RecordDocument, piece: Piece, workspace: Workspace) -> None:
                publisher.update(lambda: present_change(plan.name, record, piece.coordinates, workspace))

            with record_system_metrics(self.workspace.system(plan.name)):
                record = run(study, plan, self.workspace, self.listener, command, who, on_done, pieces, looks)
            report = report_on(plan.name, record, self.workspace)
            publisher.finish(study.present(report))
            bring_here(self.workspace, self.listener)
            return report

    def until_decided(self, recipe: str, assignments: Sequence[str] = (), most: int = MOST_SEEDS) -> UntilDecided:
        """Return a run of a recipe that adds seeds until its comparisons are decided; nothing is trained yet.

        Args:
            recipe: as for :meth:`plan`, of a study with seeds.
            assignments: as for :meth:`plan`.
            most: how many seeds at most.

        Raises:
            InputError: seeds cannot be added to this recipe, or ``most`` is not more than it has.
            SettingsError: as :meth:`plan`.
        """

        @cache  # each look asks for the plans of all looks before it, and a plan reads its tasks
        def planned(seeds: tuple[int, ...]) -> Plan:
            return self.plan(recipe, [*assignments, f"seeds={[*seeds]}"])

        plan = self.plan(recipe, assignments)
        study = STUDIES.get(plan.study)
        seeds = seeds_to_extend(study, plan.name, study.shared_facts(plan))
        return UntilDecided(study, planned, planned_looks(seeds, most), self.workspace)

    def run_until_decided(
        self,
        whole: UntilDecided,
        command: str = "",
        jobs: int = 1,
        cluster: str | None = None,
        watch: Watch | None = None,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> Report:
        """Do the work up to one look after another, until all is decided or the last look is reached.

        Args:
            whole: made by :meth:`until_decided`.
            command: as for :meth:`run`, which says what else is raised, with ``jobs``, ``cluster`` and ``watch``.
            jobs: see there.
            cluster: see there.
            watch: see there; of the work up to one look.
            on_step: is called before the work up to a look.
        """
        looks = whole.looks.after
        while True:
            step = whole.next_step()
            on_step(step)
            report = self.run(step.plan, command, jobs, cluster, watch, step.pieces, looks)
            if step.look == looks[-1] or not undecided(report):
                return report

    def report(self, experiment: str) -> Report:
        """Return the report on an experiment, from what is stored; raises UnknownNameError where it is unknown."""
        return report_of(self.workspace, experiment)
