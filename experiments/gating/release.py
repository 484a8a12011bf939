"""What answers under a task's name: bounds before it, the champion and its copy in MLflow's registry, the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.naming import adapter_id
from adapter_workbench.workbench.adapters.ids import certain_id
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.processes import is_first

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.answers.made_adapters import Trained
    from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
    from adapter_workbench.experiments.gating.adding import AddedTask
    from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
    from adapter_workbench.experiments.gating.candidate.report import CandidateReport
    from adapter_workbench.experiments.gating.candidate.versions import VersionPair
    from adapter_workbench.experiments.gating.contest import Contest
    from adapter_workbench.experiments.gating.gate import Check, Gate
    from adapter_workbench.experiments.gating.registry import ChampionChange, Registration
    from adapter_workbench.experiments.gating.stream_bounds import StreamBounds
    from adapter_workbench.experiments.gating.updating import UpdatedTask
    from adapter_workbench.experiments.updates.plan import UpdatePlan
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.training import Lesson


@dataclass(frozen=True)
class Release:
    """What :attr:`Workbench.release` offers. Adapters are named as for ``Workbench.chosen``.

    Of a task's name, the best of its adapters on validation is checked and registered, and not the champion, which is
    registered already.
    """

    workspace: Workspace
    task_folders: Sequence[Path]
    listener: Listener

    def add(self, lesson: Lesson, bounds: AdapterBounds, leakage: float = 1.0) -> AddedTask:
        """Check the lesson's data, train and test its adapter, hold it against bounds, and register it if all hold.

        What is served under the task's name changes at the very end, and only then: where a bound is broken the adapter
        stays in the store, and the champion is the one before. The same call again goes on from what is done.

        Args:
            lesson: what :meth:`adapter_workbench.experiments.api.Workbench.train` would learn.
            bounds: on the new adapter.
            leakage: percent of the rows of a split that may stand in a split before it.

        Raises:
            TrainingError: the fit failed; nothing was stored.
            TrackingError: the server does not answer, or cannot register models.
        """
        from adapter_workbench.experiments.answers.training import trained
        from adapter_workbench.experiments.gating.adding import AddedTask, check_data

        data = check_data(lesson.task, leakage)
        if not data.passed:
            return AddedTask(data)
        result = trained(self.workspace, lesson, self.listener, "add")
        beside = self._contest(result.adapter, bounds)
        checks = self._gate(result.adapter, bounds, beside).checks
        return self._entered(result, (*data.checks, *checks), beside, bounds.accept_loss)

    def _entered(
        self,
        result: Trained,
        checks: Sequence[Check],
        beside: Contest | None,
        accepted: bool,
        champion: StoredAdapter | None = None,
    ) -> AddedTask:
        """Return a new adapter, registered if it passes ``checks`` and all other adapters are as they were.

        Args:
            result: the adapter, with its test scores.
            checks: the bounds so far.
            beside: how it compares with the champion; None where that was not asked.
            accepted: whether a person accepts what it loses.
            champion: the adapter that answered at the beginning: it has to be the same still, and champion still.
        """
        from adapter_workbench.experiments.gating.adding import AddedTask, check_compared, check_others
        from adapter_workbench.experiments.gating.gate import Gate
        from adapter_workbench.experiments.gating.succession import succession_of
        from adapter_workbench.experiments.workspace.registered_names import RegisteredName
        from adapter_workbench.workbench.adapters.name_resolution import registered_name
        from adapter_workbench.workbench.mlflow.registration import Version

        adapter = result.adapter
        task, name = adapter.manifest.task.name, registered_name(adapter.manifest)
        checks = (*checks, *check_others(self.workspace.adapters, adapter.id, champion))
        if champion is not None:
            now = succession_of(self.workspace.champions.names(), name)
            checks = (*checks, *check_compared(now, adapter, champion))
        gate = Gate("adapter", adapter.id, checks)
        registered = self.register(adapter.id, beside, accepted) if gate.passed and is_first() else None
        answering = adapter_id(self.workspace, task, Silent(), self.task_folders)
        known = self.workspace.champions.names().get(name, RegisteredName())
        if known.champion is None or not known.champion.is_of(Version.of(adapter)):
            return AddedTask(gate, result, registered, answering, beside=beside)
        return AddedTask(gate, result, registered, answering, name, known.before is not None, beside)

    def update(
        self, plan: UpdatePlan, bounds: AdapterBounds, leakage: float = 1.0, beside: CandidateBounds | None = None
    ) -> UpdatedTask:
        """Make the adapter of a task's next version beside the champion, hold it against bounds, and register it.

        It is trained, tested, compared and registered as :meth:`add` does. The champion of the earlier version is
        scored on the same validation examples, with its answers read in the newest labels. The same call again goes on
        from what is done.

        Args:
            plan: see :meth:`adapter_workbench.experiments.api.Workbench.update_plan`.
            bounds: on the new adapter.
            leakage: percent of the rows of a split that may stand in a split before it.
            beside: bounds on the new adapter beside the champion; by default none.

        Raises:
            InputError: a bound that cannot be measured; nothing was trained.
            TrainingError: the fit failed; nothing was stored.
            TrackingError: the server does not answer, or cannot register models.
        """
        from adapter_workbench.experiments.answers.training import trained
        from adapter_workbench.experiments.gating.adding import AddedTask, check_data
        from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
        from adapter_workbench.experiments.gating.candidate.comparing import compare_candidate
        from adapter_workbench.experiments.gating.candidate.publishing import log_or_say
        from adapter_workbench.experiments.gating.candidate.versions import between
        from adapter_workbench.experiments.gating.updating import UpdatedTask
        from adapter_workbench.workbench.methods.sampling import draw

        lesson, bounds_beside = plan.lesson, beside or CandidateBounds()
        versions = between(draw(lesson.task, lesson.budget, lesson.seed), plan.versions, plan.older, plan.newer)
        bounds_beside.require_measurable(versions)
        data = check_data(lesson.task, leakage)
        if not data.passed:
            return UpdatedTask(plan, AddedTask(data))
        result = trained(self.workspace, lesson, self.listener, "update")
        beside_champion = self._contest(result.adapter, bounds, lesson.champion, versions)
        own = self._gate(result.adapter, bounds, beside_champion)
        known = self.workspace.evaluations
        report = compare_candidate(lesson.champion, result.adapter, versions, bounds_beside, known)
        compared = report.gate.checks if report.gate else ()
        checks = (*data.checks, *own.checks, *compared)
        added = self._entered(result, checks, beside_champion, bounds.accept_loss, lesson.champion)
        report = report.with_gate(added.gate)
        log_or_say(report, self.workspace, self.listener)
        return UpdatedTask(plan, added, report)

    def gate_adapter(self, adapter: str, bounds: AdapterBounds) -> Gate:
        """Check bounds on an adapter.

        Raises:
            UnknownNameError: no such adapter.
            InputError: its validation examples are needed and are not to be had, or cannot be compared.
            IntegrityError: its files are damaged.
            TrackingError: the server does not answer, and has to say who is champion of a name that is not known here.
        """
        return self.gated(adapter, bounds)[0]

    def gated(self, adapter: str, bounds: AdapterBounds) -> tuple[Gate, Contest | None]:
        """Check bounds on an adapter as :meth:`gate_adapter`; return also how it compares with the champion.

        The comparison is None where ``bounds`` ask for none; :meth:`register` takes it.
        """
        stored = self._verify(adapter, champions=False)
        beside = self._contest(stored, bounds)
        return self._gate(stored, bounds, beside), beside

    def _gate(self, stored: StoredAdapter, bounds: AdapterBounds, beside: Contest | None) -> Gate:
        from adapter_workbench.experiments.gating.adapter_gate import gate_adapter

        other = self._verify(bounds.against) if bounds.against else None
        return gate_adapter(self.workspace, stored, other, bounds, self.task_folders, beside)

    def _contest(
        self,
        stored: StoredAdapter,
        bounds: AdapterBounds,
        earlier: StoredAdapter | None = None,
        versions: VersionPair | None = None,
    ) -> Contest | None:
        """Return how an adapter compares with the champion of its registered name; None where that is not asked.

        ``versions`` are those that ``earlier`` and the adapter were trained on, where they are read already.
        """
        from adapter_workbench.experiments.gating.contest import contest
        from adapter_workbench.experiments.gating.registry import rival
        from adapter_workbench.workbench.mlflow.registration import Version

        if bounds.below_champion is None:
            return None
        now = rival(stored, self.workspace, self.listener)
        is_earlier = now is not None and earlier is not None and now.is_of(Version.of(earlier))
        pair = versions if is_earlier else None
        return contest(self.workspace, stored, now, self.task_folders, bounds.below_champion, pair)

    def compare(self, champion: str, candidate: str, bounds: CandidateBounds | None = None) -> CandidateReport:
        """Return what a candidate answers beside a champion, on test rows of the candidate's version of the task.

        The champion was trained on the same version of the task, or an earlier one: its answers are read in the newest
        labels. Bounds are held against validation rows. Nothing is logged, and the champion stays what it is; answers
        are kept in the workspace, so that nobody is asked twice.

        Args:
            champion: the adapter that answers now, or any other to compare with.
            candidate: that might answer instead.
            bounds: on the candidate; by default none.

        Raises:
            UnknownNameError: no such adapter.
            InputError: they cannot be compared, a bound cannot be measured, or the task's rows are not to be had.
            IntegrityError: files of an adapter, or of a version of the task, are damaged.
        """
        from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
        from adapter_workbench.experiments.gating.candidate.comparing import compare_candidate
        from adapter_workbench.experiments.gating.candidate.versions import version_pair

        first, second = self._verify(champion), self._verify(candidate)
        versions = version_pair(first, second, self.task_folders)
        return compare_candidate(first, second, versions, bounds or CandidateBounds(), self.workspace.evaluations)

    def gate_experiment(self, experiment: str, bounds: StreamBounds) -> Gate:
        """Check bounds on a finished stream, by what is stored; no model is needed.

        Raises:
            UnknownNameError: no such experiment, strategy or task.
            InputError: it is not a stream, or it is not finished.
        """
        from adapter_workbench.experiments.gating.stream_bounds import gate_experiment

        return gate_experiment(self.workspace, experiment, bounds)

    def register(self, adapter: str, beside: Contest | None = None, accepted: bool = False) -> Registration:
        """Log an adapter to MLflow if it is not there, and enter it into the model registry as ``task.method``.

        It becomes the champion of that name where there is none, or where it holds beside the champion
        (:mod:`.takeover`) and is better or of a later version of the task. The workspace keeps the
        champion; MLflow's alias is a copy of that.

        Args:
            adapter: its name.
            beside: how it compares with the champion, where that is known already.
            accepted: whether a person accepts what it loses against the champion.

        Raises:
            UnknownNameError: no such adapter.
            IntegrityError: its files, or the file with the champions, are damaged.
            TrackingError: the server does not answer, or cannot register models.
        """
        from adapter_workbench.experiments.gating.registry import register

        stored = self._verify(adapter, champions=False)
        return register(stored, self.workspace, self.listener, self.task_folders, beside, accepted)

    def promote(self, name: str, to: str | None, accepted: bool = False) -> ChampionChange:
        """Make a registered version the champion, or take over an adapter, registered or not.

        It has to hold beside the champion where the two can be compared. What an experiment left answers under its
        task's name only once a person has asked for it.

        Args:
            name: ``TASK.METHOD``, or a task with one registered model; or, without ``to``, the id of an adapter.
            to: number of the version, or the id of its adapter; None is an error that lists the versions, where
                ``name`` is not an adapter's id.
            accepted: whether a person accepts what it loses; this is written into its manifest.

        Raises:
            GateError: it loses against the champion, and that is not ``accepted``; nothing was changed.
            UnknownNameError: no such name is registered.
            InputError: there is no version ``to``, or it is the champion; nothing was changed.
            TrackingError: MLflow has to be asked for a name that the workspace does not know, and does not answer.
        """
        from adapter_workbench.experiments.gating.registry import promote, take_over

        stored = self._identified(name) if to is None else None
        if stored is not None:
            return take_over(stored, self.workspace, self.listener, self.task_folders, accepted)
        return promote(name, to, self.workspace, self.listener, self.task_folders, accepted)

    def enthrone(self, adapter: str, accepted: bool = False) -> ChampionChange:
        """Make an adapter the champion of its registered name, as :meth:`promote` does with an id.

        One that is the champion already stays it, so that the same command again repeats nothing. Raises as that.
        """
        from adapter_workbench.experiments.gating.registry import standing, take_over

        stored = self._verify(adapter)
        return standing(stored, self.workspace) or take_over(
            stored, self.workspace, self.listener, self.task_folders, accepted
        )

    def roll_back(self, name: str, to: str | None = None) -> ChampionChange:
        """Make the version of a registered name its champion that was champion before.

        Args:
            name: ``TASK.METHOD``, or a task with one registered model.
            to: number of the version that becomes the champion instead, or the id of its adapter.

        Raises:
            UnknownNameError: no such name is registered.
            InputError: no earlier champion is recorded, or there is no version ``to``; nothing was changed.
            TrackingError: MLflow has to be asked for a name that the workspace does not know, and does not answer.
        """
        from adapter_workbench.experiments.gating.registry import roll_back

        return roll_back(name, to, self.workspace, self.listener)

    def _identified(self, name: str) -> StoredAdapter | None:
        """Return the adapter of which ``name`` is the id, or its key; None where it is another name, or unknown."""
        try:
            adapter = certain_id(name, self.workspace.adapters.ids())
        except InputError:  # a registered name, or nothing that is known
            return None
        return self.workspace.adapters.verify(adapter)

    def _verify(self, adapter: str, champions: bool = True) -> StoredAdapter:
        chosen = adapter_id(self.workspace, adapter, self.listener, self.task_folders, champions)
        return self.workspace.adapters.verify(chosen)
