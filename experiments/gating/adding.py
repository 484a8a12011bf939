"""A new task: its data are checked, its adapter is trained, tested, gated and registered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.gating.gate import Check, Gate
from adapter_workbench.workbench.mlflow.registration import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.answers.made_adapters import Trained
    from adapter_workbench.experiments.gating.contest import Contest
    from adapter_workbench.experiments.gating.registry import Registration
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class AddedTask:
    """The result of `workbench add`."""

    gate: Gate  # every bound: on the data, on the new adapter, and on those that were there before
    trained: Trained | None = None  # the adapter, and how it does on the test split; None where the data broke a bound
    registered: Registration | None = None  # its version of ``TASK.METHOD``; None where a bound is broken
    answering: str | None = None  # id of the adapter that the task's name means now; None where nothing was trained
    # the registered name whose champion the adapter is; None where it is none. It may be one where a bound is
    # broken: it became champion under others.
    champion_of: str | None = None
    has_before: bool = False  # whether that name has a champion before, to which a rollback would lead
    # how the adapter compares with the champion that there was; None where that was not asked
    beside: Contest | None = None

    @property
    def answers(self) -> bool:
        """Whether the task's name means the new adapter now."""
        return self.trained is not None and self.answering == self.trained.adapter.id

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench add --json``; null for what was not reached."""
        adapter, registered = self.trained and self.trained.adapter, self.registered
        return {
            "adapter": adapter and adapter.id,
            "path": adapter and str(adapter.folder),
            "metrics": self.trained and self.trained.metrics,
            "gate": self.gate.as_json(),
            "registered": registered and asdict(registered),
            "answering": self.answering,
        }


def check_data(task: Task, most: float) -> Gate:
    """Check that at most ``most`` percent of the rows of a split stand, by their text, in a split before it.

    Bounds and the choice of a champion look at validation, so a text that was learned there flatters the adapter.
    """
    from adapter_workbench.tasks.drafting.check import check, ids_of

    report = check(task)
    sizes = {name: split["examples"] for name, split in report["splits"].items()}
    checks = []
    for pair, shared in report["leakage"].items():
        second = pair.split("/")[1]
        note = f"rows {ids_of(shared)}" if shared["count"] else ""
        share = 100 * shared["count"] / sizes[second] if sizes[second] else 0.0
        checks.append(Check(f"rows of {second} that stand in {pair.split('/')[0]}", "at most", most, share, note=note))
    return Gate("task", task.name, tuple(checks))


def check_others(store: AdapterStore, but: str, champion: StoredAdapter | None = None) -> Iterator[Check]:
    """Check that the files of every other adapter are unchanged, so that its answers are too.

    Adapters share the frozen backbone and nothing else, so this says what testing all of them again would say.

    Args:
        store: all adapters.
        but: the id of the new one.
        champion: the one that answers, as it was when the command began: its identity has to be the same still.
    """
    others = [adapter for adapter in store.ids() if adapter != but]
    damaged = [adapter for adapter in others if store.damage(adapter)]
    if champion is not None and champion.id not in damaged and not _is_stored(champion, store):
        others = [*{*others, champion.id}]
        damaged.append(champion.id)
    if others:
        share = 100 * (len(others) - len(damaged)) / len(others)
        own = f", the champion {champion.id} among them" if champion is not None else ""
        note = f"damaged: {', '.join(damaged)}" if damaged else f"{len(others)} verified{own}"
        yield Check("other adapters as they were", "at least", 100.0, share, note=note)


def check_compared(now: Version | None, new: StoredAdapter, champion: StoredAdapter) -> Iterator[Check]:
    """Check that the champion ``now`` is the one that the new adapter was compared with, or is this adapter already.

    Another command may have made one meanwhile, which no bound was held against. Nothing is yielded where this holds.
    """
    known = [Version.of(adapter) for adapter in (new, champion)]
    if now is not None and not any(now.is_of(version) for version in known):
        note = f"{now} became champion meanwhile: `workbench adapters compare {now.adapter} {new.id}`"
        yield Check("compared with the champion", "at least", None, None, note=note)


def _is_stored(adapter: StoredAdapter, store: AdapterStore) -> bool:
    """Return whether the store still has this very adapter, and no other one under its id."""
    return adapter.id in store and store.get(adapter.id).identity == adapter.identity
