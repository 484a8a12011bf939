"""Which stored adapter a name means: an id, a task's name, or the beginning of an id."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.adapter_ids import by_id
from workbench.digest import key
from workbench.errors import IntegrityError, UnknownNameError

if TYPE_CHECKING:
    from workbench.manifest import Manifest
    from workbench.store import AdapterStore
    from workbench.stored_adapter import StoredAdapter


@dataclass(frozen=True)
class Choice:
    """The adapter that a name means.

    Attributes:
        id: of the adapter.
        why: the reason for this adapter, in a few words; empty where the name was its id.
    """

    id: str
    why: str = ""


def chosen(
    store: AdapterStore,
    name: str,
    champions: Callable[[], Collection[str]] = tuple,
    suits: Callable[[Manifest], bool] = lambda manifest: True,
) -> Choice:
    """Return the adapter of ``store`` that ``name`` means, by :func:`choose`.

    Args:
        store: where the adapters are; those whose manifest cannot be read are found by their id alone.
        name: what a person wrote.
        champions: gives the ids of the registry's champions; called only where the name is a task's.
        suits: which of a task's adapters to choose from, where there are any such.

    Raises:
        UnknownNameError: no adapter is meant.
        InputError: several ids begin so.
    """
    ids = store.ids()
    if name in ids:
        return Choice(name)
    manifests = readable(store)
    meant = _of_task(name, manifests)
    if meant:
        return choose(name, [manifest for manifest in meant if suits(manifest)] or meant, champions())
    try:
        adapter_id = by_id(name, ids)
    except UnknownNameError:
        tasks = {manifest.task.name for manifest in manifests}
        raise UnknownNameError("adapter", name, [*tasks, *ids], str(store.root)) from None
    return Choice(adapter_id, f"the only id that {'begins' if adapter_id.startswith(name) else 'ends'} so")


def choose(task: str, manifests: Sequence[Manifest], champions: Collection[str] = ()) -> Choice:
    """Return the adapter that stands for a task: the champion, else the best on validation, else the newest.

    Scores are compared only where they are scores on the same validation examples as the newest adapter's.

    Args:
        task: the name that was given.
        manifests: of the task's adapters, at least one.
        champions: ids of the registry's champions.
    """
    crowned = [manifest for manifest in manifests if manifest.id in champions]
    if len(crowned) == 1:
        return Choice(crowned[0].id, f"the champion of {registered_name(crowned[0])}")
    if len(manifests) == 1:
        return Choice(manifests[0].id, f"the only adapter for {task}")
    pool, noun = (crowned, "champions") if crowned else (manifests, "adapters")
    newest = max(pool, key=lambda manifest: (manifest.created, manifest.id))
    alike = [manifest for manifest in pool if measure(manifest) == measure(newest)]
    if len(alike) == 1:
        others = "no other is known to be scored on the same validation examples"
        return Choice(newest.id, f"the newest of {len(pool)} {noun}: {others}")
    best = max(alike, key=lambda manifest: (_score(manifest), manifest.created, manifest.id))
    others = f"; scores of {len(pool) - len(alike)} more are of other examples" if len(pool) > len(alike) else ""
    score = f"{best.fit.validation:.4f}"
    return Choice(best.id, f"the best of {len(alike)} {noun} on the same validation examples ({score}){others}")


def registered_name(manifest: Manifest) -> str:
    """Return an adapter's name in MLflow's registry, ``TASK.METHOD``.

    MLflow allows no ``/`` and ``:`` in it, and is asked for it in quotes.
    """
    method = manifest.composition.method if manifest.composition else manifest.method
    return re.sub(r"[/:'\"\\]", "-", f"{manifest.task.name}.{method}")


def measure(manifest: Manifest) -> str:
    """Return what a validation score is a score of: equal data, metric and draw, equal text.

    A budget that allows more examples than the split has draws none: the score is of the whole split.
    """
    budget, metrics, scored = manifest.budget, ",".join(manifest.metrics), manifest.fit.validation_examples
    wanted = budget.validation_examples or budget.eval_examples
    if wanted and scored is not None and scored < wanted:
        return key([manifest.task.fingerprint, metrics, None])
    few = [budget.validation_examples, manifest.seed] if budget.validation_examples else []
    return key([manifest.task.fingerprint, metrics, budget.eval_examples, *few])


def readable(store: AdapterStore) -> list[Manifest]:
    """Return the manifests of a store, as far as they can be read."""
    return [adapter.manifest for adapter in readable_adapters(store)]


def readable_adapters(store: AdapterStore) -> list[StoredAdapter]:
    """Return the adapters of a store, those left out whose manifests cannot be read: one hinders no other.

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


def _score(manifest: Manifest) -> float:
    score = manifest.fit.validation
    return -math.inf if math.isnan(score) else score
