"""Adapters under their tasks' names: registered, promoted and rolled back, in the workspace and then in MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.tracked import run_of, test_scores
from adapter_workbench.experiments.gating import succession
from adapter_workbench.experiments.gating.contest import Contest, contest
from adapter_workbench.experiments.gating.takeover import HOW_TO_ACCEPT
from adapter_workbench.experiments.reporting.adapter_run import EXPERIMENT, entry
from adapter_workbench.experiments.tracking.anew import tracker_here
from adapter_workbench.experiments.workspace.champions import named_champions
from adapter_workbench.experiments.workspace.registered_names import RegisteredName, name_from_mlflow
from adapter_workbench.workbench.adapters.manifest import AcceptedLoss
from adapter_workbench.workbench.adapters.name_resolution import adapter_for_task, readable, registered_name
from adapter_workbench.workbench.errors import GateError, InputError, TrackingError
from adapter_workbench.workbench.mlflow.address import printable_address
from adapter_workbench.workbench.mlflow.registration import CHAMPION, Version

MOST_NAMED = succession.MOST_NAMED

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.mlflow.tracker import Tracker


@dataclass(frozen=True)
class Registration:
    """The result of a registration."""

    name: str  # ``TASK.METHOD``
    version: str  # its number
    champion: bool  # whether this version is the champion now
    decision: str  # why, in words, with what was compared
    mlflow_version: str  # its number in MLflow's registry, another one where that is not the registry it began in
    has_before: bool = False  # whether there is a champion before, to which a rollback would lead

    @property
    def uri(self) -> str:
        """What ``mlflow models serve -m`` takes for this version."""
        return f"models:/{self.name}@{CHAMPION}" if self.champion else f"models:/{self.name}/{self.mlflow_version}"


@dataclass(frozen=True)
class ChampionChange:
    """A change of the champion that a person asked for."""

    name: str  # ``TASK.METHOD``
    was: Version | None  # the champion before it; None where there was none
    now: Version  # the champion since
    compared: str  # on which examples the two were compared, or why they cannot be compared

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench adapters promote --json``."""
        champions = {"was": self.was and _fields(self.was), "now": _fields(self.now)}
        return {"name": self.name, **champions, "compared": self.compared}


def _fields(version: Version) -> dict[str, object]:
    return {"version": version.number, "adapter": version.adapter, "validation": version.validation}


def register(
    stored: StoredAdapter,
    workspace: Workspace,
    listener: Listener,
    task_folders: Sequence[Path] = (),
    beside: Contest | None = None,
    accepted: bool = False,
) -> Registration:
    """Log an adapter where it is not logged yet, enter it into MLflow's registry, and decide whether it is champion.

    Args:
        stored: the adapter.
        workspace: where it is.
        listener: hears of MLflow.
        task_folders: of the person's own tasks, whose validation and test rows the adapter and the champion answer.
        beside: how it compares with the champion, where that is known already.
        accepted: whether a person accepts what it loses; this is written into its manifest.

    Raises:
        TrackingError: the server does not answer, or cannot register models; the champion is the one before then.
        IntegrityError: ``champions.json`` is damaged.
    """
    name, tracker = registered_name(stored.manifest), tracker_here(workspace, listener.say)
    if beside is None:
        now = champion(name, workspace.champions.names(), workspace, listener)
        beside = contest(workspace, stored, now, task_folders)
    if accepted:
        stored = accept_loss(stored, beside, workspace)
    run = run_of(stored, workspace)
    entered = entry(stored, workspace.score(stored.manifest), test_scores(stored, workspace))
    with workspace.champions.changing(listener) as registered:
        model = tracker.register(EXPERIMENT, run, entered)
        known = registered[name].with_versions_of(model) if name in registered else name_from_mlflow(model)
        known, was = known.with_facts_of(entered), succession.succession_of(registered, name) or known.champion
        version, tracked = known.version_of(entered.version), model.version_of(entered.version)
        if version is None or tracked is None:
            raise RuntimeError("a version that MLflow names is not among those taken from it")
        own = known.champion
        if own is not None and (beside.champion is None or not own.is_of(beside.champion)):
            # another command made it champion meanwhile
            beside = contest(workspace, stored, own, task_folders, beside.margin)
            if accepted:
                accept_loss(stored, beside, workspace)
        wins, decision = succession.decide(name, version, own, beside.outcome, accepted)
        if wins and known.champion != version:
            compared = succession.on_rows(version, own, beside.outcome)
            known = known.with_champion(version, known.line, decision, aside=False, compared=compared)
        registered[name] = known
        workspace.champions.save(registered)
        _follow(tracker, registered, {name: was}, listener.say)
    return Registration(name, version.number, wins, decision, tracked.number, known.before is not None)


def accept_loss(stored: StoredAdapter, beside: Contest, workspace: Workspace) -> StoredAdapter:
    """Write into an adapter's manifest that a person accepted what it loses against the champion, if it does."""
    loss, champion = beside.to_accept, beside.champion
    if loss is None or champion is None:
        return stored
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return workspace.adapters.accept(stored.id, AcceptedLoss(champion=champion.adapter or "", loss=loss, when=when))


def roll_back(name: str, to: str | None, workspace: Workspace, listener: Listener) -> ChampionChange:
    """Make the version the champion that was so before, or ``to``: see :meth:`Release`."""
    return _change_champion(name, workspace, listener, lambda full, known: succession.back(full, known, to))


def promote(
    name: str,
    to: str | None,
    workspace: Workspace,
    listener: Listener,
    task_folders: Sequence[Path] = (),
    accepted: bool = False,
    beside: Contest | None = None,
) -> ChampionChange:
    """Make the version ``to`` the champion: see :meth:`adapter_workbench.experiments.gating.release.Release`.

    ``beside`` is how it compares with a champion, where that is known already.

    Raises:
        GateError: it loses against the champion, and that is not ``accepted``; nothing was changed.
    """
    registered = dict(workspace.champions.names())
    full = _known_name(name, tracker_here(workspace, listener.say), registered)
    version, was = succession.promoted(full, registered[full], to), registered[full].champion
    if was is None or beside is None or beside.champion is None or not was.is_of(beside.champion):
        beside = _contest_of(version, was, workspace, task_folders)
    if beside is not None:
        _require(beside, accepted, full, version)
        if accepted:
            accept_loss(workspace.adapters.verify(version.adapter or ""), beside, workspace)

    def change(full: str, known: RegisteredName) -> RegisteredName:
        if known.champion != was:
            raise InputError(f"{known.champion} became champion meanwhile", where=full, hint="Call the command again.")
        return succession.promote(known, succession.promoted(full, known, to), beside.outcome if beside else None)

    return _change_champion(full, workspace, listener, change)


def _contest_of(
    version: Version, champion: Version | None, workspace: Workspace, task_folders: Sequence[Path]
) -> Contest | None:
    """Return how a version compares with the champion; None where one of them is not here."""
    if champion is None or version.adapter is None or version.adapter not in workspace.adapters:
        return None
    return contest(workspace, workspace.adapters.verify(version.adapter), champion, task_folders)


def _require(beside: Contest, accepted: bool, name: str, version: Version | None = None) -> None:
    """Raise GateError where an adapter loses against the champion, and nobody ``accepted`` it."""
    if beside.holds or accepted or beside.champion is None:
        return
    comparison = succession.beside(version or beside.version, beside.champion, beside.outcome)
    raise GateError(f"{beside.champion.adapter} stays champion: {comparison}", where=name, hint=HOW_TO_ACCEPT)


def standing(stored: StoredAdapter, workspace: Workspace) -> ChampionChange | None:
    """Return that an adapter is the champion of its registered name already; None where it is not."""
    name = registered_name(stored.manifest)
    now = succession.succession_of(workspace.champions.names(), name)
    if now is None or not now.is_of(Version.of(stored)):
        return None
    return ChampionChange(name, now, now, "it was the champion already")


def take_over(
    stored: StoredAdapter,
    workspace: Workspace,
    listener: Listener,
    task_folders: Sequence[Path],
    accepted: bool = False,
) -> ChampionChange:
    """Make an adapter the champion of its registered name, of which it becomes a version where it is none yet.

    A version of a registered name is in service, so that nothing is lost where this is stopped half-way. One that loses
    is not even registered. Raises as :func:`register` and :func:`promote`.
    """
    name = registered_name(stored.manifest)
    known = workspace.champions.names().get(name, RegisteredName())
    version = known.version_of(Version.of(stored))
    if version is not None:
        change = promote(name, version.number, workspace, listener, task_folders, accepted)
    else:
        beside = contest(workspace, stored, rival(stored, workspace, listener), task_folders)
        _require(beside, accepted, name)
        registration = register(stored, workspace, listener, task_folders, beside, accepted)
        now = workspace.champions.names()[name].version(registration.version)
        assert now is not None
        change = (
            ChampionChange(name, known.champion, now, registration.decision)
            if registration.champion
            else promote(name, now.number, workspace, listener, task_folders, accepted, beside)
        )
    workspace.origins.ask(stored.id, "promote")
    return change


def champion(
    name: str, registered: Mapping[str, RegisteredName], workspace: Workspace, listener: Listener
) -> Version | None:
    """Return the champion of a name; MLflow is asked only for one that is not ``registered`` in the workspace.

    Raises:
        TrackingError: it has to be asked, and does not answer.
    """
    if name in registered:
        return registered[name].champion
    model = tracker_here(workspace, listener.say).registered_model(name)
    return name_from_mlflow(model).champion if model else None


def rival(stored: StoredAdapter, workspace: Workspace, listener: Listener) -> Version | None:
    """Return the champion that an adapter has to hold beside: that of its registered name.

    Where this has none, it is the champion that answers under the name of the task, of another method: the task's name
    could mean the new champion then.

    Raises:
        TrackingError: MLflow has to be asked for a name that the workspace does not know, and does not answer.
    """
    name, registered = registered_name(stored.manifest), workspace.champions.names()
    own = champion(name, registered, workspace, listener)
    if own is not None:
        return own
    task = name.rpartition(".")[0]
    champions = [known.champion for full, known in registered.items() if full.rpartition(".")[0] == task]
    others = {version.adapter: version for version in champions if version is not None}
    manifests = [manifest for manifest in readable(workspace.adapters) if manifest.id in others]
    if not manifests:
        return None
    return others[adapter_for_task(task, manifests, named_champions(registered), workspace.score).id]


def reconcile(workspace: Workspace, say: Callable[[str], None]) -> int:
    """Take over names that MLflow alone knows, let its aliases follow, and return how many names have a champion.

    Args:
        workspace: whose champions they are.
        say: hears of each difference.

    Raises:
        TrackingError: MLflow does not answer.
        UnwritableError: the workspace cannot be written.
    """
    from adapter_workbench.workbench.machine.listener import Silent

    tracker = tracker_here(workspace, say)
    with workspace.champions.changing(Silent()) as registered:
        own = {*registered}
        for name in _unknown(workspace, tracker, registered):
            if model := tracker.registered_model(name):
                registered[name] = name_from_mlflow(model)
        if registered.keys() != own or not workspace.champions.path.exists():
            workspace.champions.save(registered)
        _follow(tracker, registered, {}, say)
    return sum(known.champion is not None for known in registered.values())


def _change_champion(
    name: str, workspace: Workspace, listener: Listener, change: Callable[[str, RegisteredName], RegisteredName]
) -> ChampionChange:
    tracker = tracker_here(workspace, listener.say)
    with workspace.champions.changing(listener) as registered:
        full = _known_name(name, tracker, registered)
        was = registered[full].champion
        registered[full] = change(full, registered[full])
        workspace.champions.save(registered)
        _follow(tracker, registered, {full: was}, listener.say)
    now = registered[full].champion
    if now is None:
        raise RuntimeError("a change of the champion left none")
    if now.adapter not in workspace.adapters.ids():
        listener.say(f"{now.adapter} is not in this workspace: `workbench predict` answers with another adapter.")
    comparison = "there was no champion" if was is None else succession.comparison_of(registered[full], now, was)
    return ChampionChange(full, was, now, comparison)


def _known_name(name: str, tracker: Tracker, registered: dict[str, RegisteredName]) -> str:
    """Return the full name that is meant; MLflow is asked only where the workspace knows none like it."""
    try:
        return succession.full_name(name, sorted(registered))
    except InputError:  # unknown, or several
        if name in {known.rpartition(".")[0] for known in registered}:
            raise
    tracked = tracker.aliases()
    if not tracked and not registered:
        hint = f"{succession.REGISTER}. Or name another --workspace."
        raise InputError("nothing is registered here yet", where=printable_address(tracker.uri), hint=hint)
    full = succession.full_name(name, sorted({*registered, *tracked}))
    if full not in registered and (model := tracker.registered_model(full)):
        registered[full] = name_from_mlflow(model)
    return full


def _unknown(workspace: Workspace, tracker: Tracker, registered: Mapping[str, RegisteredName]) -> list[str]:
    """Return the names that MLflow knows and the workspace does not, as far as it has adapters for them."""
    of_adapters = {registered_name(manifest) for manifest in readable(workspace.adapters)}
    return sorted(of_adapters & {name for name in tracker.aliases() if name not in registered})


def _follow(
    tracker: Tracker,
    registered: Mapping[str, RegisteredName],
    previous: Mapping[str, Version | None],
    say: Callable[[str], None],
) -> None:
    """Let MLflow's aliases say what the workspace says; what cannot be copied now is copied by the next command.

    Args:
        tracker: of the store.
        registered: what the workspace says.
        previous: of names that have just been changed, the champion until then.
        say: hears of each difference.
    """
    try:
        for line in _differences(tracker, registered, previous):
            say(line)
    except TrackingError as error:
        hint = "The workspace has the champion; the next of these commands, or `workbench doctor`, tells MLflow."
        say(f"Tracking: {TrackingError(error.what, where=error.where, hint=hint)}")


def _differences(
    tracker: Tracker, registered: Mapping[str, RegisteredName], previous: Mapping[str, Version | None]
) -> Iterator[str]:
    """Let the aliases follow, and yield a line for each difference; names that MLflow has none of share one line.

    MLflow's numbers may be others, and say nothing of whether an alias names the champion.
    """
    tracked = tracker.aliases()
    wanted = {name: known.succession for name, known in registered.items()}
    for name, succeeded in wanted.items():
        if succeeded is None or (name not in previous and name not in tracked):
            continue
        line = tracker.follow(name, succeeded, previous.get(name, succeeded.champion))
        if line is not None:
            yield line
    unknown = [name for name in wanted if wanted[name] and name not in tracked and name not in previous]
    if unknown:
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        listed = f"{', '.join(unknown[:MOST_NAMED])}{more}"
        yield f"MLflow's registry has no {listed}; the workspace knows the champions. `register` enters their adapters."
