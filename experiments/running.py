"""Experiments from Python: what is planned, carried out, continued and reported, of any kind."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from adapter_workbench.experiments.requests.examine import ExamineRequest
from adapter_workbench.experiments.requests.lesson import BACKBONE
from adapter_workbench.experiments.requests.repair import RepairRequest
from adapter_workbench.experiments.requests.request import taking
from adapter_workbench.experiments.studies import STUDIES, present_change, report_of, report_on, study_for
from adapter_workbench.experiments.workspace import find_workspace
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.study import Plan, Report
    from adapter_workbench.experiments.engine.until_decided import Step
    from adapter_workbench.experiments.engine.work import Work
    from adapter_workbench.experiments.engine.workers.machine import Machine
    from adapter_workbench.experiments.studies.core.report import StudyReport
    from adapter_workbench.experiments.studies.methods.plan import ComparisonPlan
    from adapter_workbench.experiments.studies.repair.report import RepairReport
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.workbench.machine.listener import Listener

    Watch = Callable[[Work], AbstractContextManager[Listener]]


class Experiments:
    """The experiments of one workspace, on the tasks that can be seen from here."""

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

        recipe = {"backbone": BACKBONE, **plain_comparison(task, methods), **others}
        return make_plan(Document(recipe, "command line").set(assignments), self.task_folders)

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
