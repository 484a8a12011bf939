"""Which stored adapter a name means: an id, a task's name, or the beginning of an id."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from adapter_workbench.workbench.adapters.ids import ADAPTERS, by_id
from adapter_workbench.workbench.adapters.validation_scores import own_score
from adapter_workbench.workbench.errors import IntegrityError, UnknownNameError

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.adapters.validation_scores import Scoring


@dataclass(frozen=True)
class NamedAdapter:
    id: str  # of the adapter
    why: str = ""  # the reason for this adapter, in a few words; empty where the name was its id


@dataclass(frozen=True)
class NamedChampion:
    adapter: str  # its id
    identity: str | None = None  # of the adapter that was registered; None where that is not known


Champions: TypeAlias = Mapping[str, NamedChampion]  # by registered name


def resolve_name(
    store: AdapterStore,
    name: str,
    champions: Callable[[], Champions] = dict,
    suits: Callable[[Manifest], bool] = lambda manifest: True,
    scoring: Scoring = own_score,
    in_service: Callable[[Sequence[Manifest]], Sequence[Manifest]] = lambda manifests: manifests,
) -> NamedAdapter:
    """Return the adapter of ``store`` that ``name`` means, by :func:`adapter_for_task`.

    Args:
        store: where the adapters are; those whose manifest cannot be read are found by their id alone.
        name: what a person wrote.
        champions: gives the champions; called only where the name is a task's.
        suits: which of a task's adapters to choose from, where there are any such.
        scoring: gives the validation score that counts.
        in_service: gives those of the adapters that ``name`` means which may answer under it, at least one, or raises;
            any adapter is found by its id.

    Raises:
        UnknownNameError: no adapter is meant.
        InputError: several ids begin so, or none may answer under the name.
        IntegrityError: the manifest of the task's champion cannot be read.
    """
    ids = store.ids()
    if name in ids:
        return NamedAdapter(name)
    manifests = readable(store)
    meant = _of_task(name, manifests)
    if meant:
        crowned = champions()
        require_readable_champions(store, name, meant, crowned)
        serving = in_service(meant)
        fitting = [manifest for manifest in serving if suits(manifest)]
        return adapter_for_task(name, fitting or serving, crowned, scoring)
    try:
        adapter_id = by_id(name, ids)
    except UnknownNameError:
        tasks = {manifest.task.name for manifest in manifests}
        raise UnknownNameError("adapter", name, [*tasks, *ids], str(store.root), command=ADAPTERS) from None
    return NamedAdapter(adapter_id, f"the only id that {'begins' if adapter_id.startswith(name) else 'ends'} so")


def require_readable_champions(
    store: AdapterStore, task: str, manifests: Sequence[Manifest], champions: Champions
) -> None:
    """Raise IntegrityError where a champion of the task of ``manifests`` is in the store, and cannot be read."""
    read = {manifest.id for manifest in manifests}
    for champion in _champions_of(manifests, champions, task).values():
        if champion.adapter not in read and champion.adapter in store:
            store.get(champion.adapter)


def adapter_for_task(
    task: str, manifests: Sequence[Manifest], champions: Champions | None = None, scoring: Scoring = own_score
) -> NamedAdapter:
    """Return the adapter that stands for a task: the champion, else the best on validation, else the newest.

    Scores are compared only where they are scores on the same validation examples as the newest adapter's. An adapter
    of which no score counts here is taken only where there is no other.

    Args:
        task: its name, or what else means these adapters: ``TASK.METHOD``, or what their ids begin with.
        manifests: of the task's adapters, at least one.
        champions: by registered name.
        scoring: gives the validation score that counts.
    """
    known = _champions_of(manifests, champions or {}, task)
    crowned = [manifest for manifest in manifests if _is_champion(manifest, known, scoring)]
    if len(crowned) == 1:
        return NamedAdapter(crowned[0].id, f"the champion of {registered_name(crowned[0])}")
    choice = _best_adapter(task, crowned or manifests, "champions" if crowned else "adapters", scoring)
    gone = "".join(
        f"; {champion.adapter}, the champion of {name}, is not in this workspace or does not fit here"
        for name, champion in known.items()
        if _without_signs(task) in (name, name.rpartition(".")[0])  # else the beginning of ids was meant
    )
    return choice if crowned else NamedAdapter(choice.id, f"{choice.why}{gone}")


def _best_adapter(task: str, manifests: Sequence[Manifest], noun: str, scoring: Scoring) -> NamedAdapter:
    """Return the best on the same validation examples as the newest, else the newest."""
    scores = {manifest.id: score for manifest in manifests if (score := scoring(manifest)) is not None}
    pool = [manifest for manifest in manifests if manifest.id in scores] or manifests
    left_out = len(manifests) - len(pool)
    foreign = f"; {left_out} more came from elsewhere, and {'was' if left_out == 1 else 'were'} not measured here"
    note = foreign if left_out else ""
    newest = max(pool, key=_age)
    if newest.id not in scores:
        which = f"the only adapter {_meant_by(task, pool)}" if len(pool) == 1 else f"the newest of {len(pool)} {noun}"
        return NamedAdapter(newest.id, f"{which}; it came from elsewhere, and was not measured here")
    if len(pool) == 1:
        counted = " that counts" if left_out else ""
        return NamedAdapter(newest.id, f"the only adapter {_meant_by(task, pool)}{counted}{note}")
    alike = [manifest for manifest in pool if scores[manifest.id].measure == scores[newest.id].measure]
    if len(alike) == 1:
        others = "no other is known to be scored on the same validation examples"
        return NamedAdapter(newest.id, f"the newest of {len(pool)} {noun}: {others}{note}")

    def rank(manifest: Manifest) -> tuple[float, str, str]:
        value = scores[manifest.id].validation
        return -math.inf if math.isnan(value) else value, *_age(manifest)

    best = max(alike, key=rank)
    others = f"; scores of {len(pool) - len(alike)} more are of other examples" if len(pool) > len(alike) else ""
    highest = f"{scores[best.id].validation:.4f}"
    why = f"the best of {len(alike)} {noun} on the same validation examples ({highest}){others}{note}"
    return NamedAdapter(best.id, why)


def _meant_by(name: str, manifests: Sequence[Manifest]) -> str:
    """Return how a name means these adapters: as their task, as what they are registered as, or by their ids."""
    if any(manifest.task.name == name for manifest in manifests):
        return f"for {name}"
    if any(registered_name(manifest) == name for manifest in manifests):
        return f"of {name}"
    return f"whose id is {name}-…"


def _age(manifest: Manifest) -> tuple[str, str]:
    return manifest.since, manifest.id


def _champions_of(manifests: Iterable[Manifest], champions: Champions, task: str) -> dict[str, NamedChampion]:
    """Return the champions of the registered names that these adapters have, and of all names of the task."""
    names, plain = {registered_name(manifest) for manifest in manifests}, _without_signs(task)
    return {name: champion for name, champion in champions.items() if name in names or name.rpartition(".")[0] == plain}


def _is_champion(manifest: Manifest, champions: Champions, scoring: Scoring) -> bool:
    """Return whether an adapter is the one that was registered, not another one under its id."""
    champion = champions.get(registered_name(manifest))
    if champion is None or champion.adapter != manifest.id:
        return False
    return scoring(manifest) is not None if champion.identity is None else champion.identity == manifest.identity


def registered_name(manifest: Manifest) -> str:
    """Return the name under which an adapter is registered, ``TASK.METHOD``.

    MLflow allows no ``/`` and ``:`` in it, and is asked for it in quotes.
    """
    method = manifest.composition.method if manifest.composition else manifest.method
    return _without_signs(f"{manifest.task.name}.{method}")


def _without_signs(name: str) -> str:
    return re.sub(r"[/:'\"\\]", "-", name)


def readable(store: AdapterStore) -> list[Manifest]:
    """Return the manifests of a store, as far as they can be read."""
    return [adapter.manifest for adapter in readable_adapters(store)]


def readable_adapters(store: AdapterStore) -> list[StoredAdapter]:
    """Return the adapters of a store whose manifests can be read.

    Nor does one that another process removes meanwhile.
    """
    adapters = []
    for adapter_id in store.ids():
        with suppress(IntegrityError, UnknownNameError):
            adapters.append(store.get(adapter_id))
    return adapters


def _of_task(name: str, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return the adapters of the task ``name``; or of ``TASK.METHOD``; or those whose ids are ``name`` and a key."""
    called: list[Callable[[Manifest], str]] = [
        lambda manifest: manifest.task.name,
        registered_name,
        lambda manifest: manifest.id.rpartition("-")[0],  # TASK-METHOD: what the adapters of all seeds have in common
    ]
    groups = ([manifest for manifest in manifests if name_of(manifest) == name] for name_of in called)
    return next((group for group in groups if group), [])
