"""route(): texts in, a score for each of several adapters out; what a router knows of an adapter, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from adapter_workbench.fusion.routing.routers import ROUTERS, Query
from adapter_workbench.fusion.target.reader import KIND, Reader
from adapter_workbench.workbench.errors import InputError, IntegrityError, reason
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import written_whole
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.package_versions import versions

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.routers import Part, RouterSettings
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.task import Task

ARRAYS, CARD = "part.safetensors", "part.json"


@dataclass(frozen=True)
class RoutingState:
    """A router that knows its adapters."""

    router: str  # its registered name
    settings: RouterSettings  # its hyper-parameters
    adapters: tuple[StoredAdapter, ...]  # the adapters, in the order of the scores' columns
    parts: tuple[Part, ...]  # what it knows of each
    reader: Reader  # the frozen backbone
    # the lowest score of each adapter with which it is believed (adapters,); None where all are
    floors: NDArray[np.float64] | None = None

    @cached_property
    def prepared(self) -> Any:
        """What the router computes of all parts together, once for any number of questions."""
        return ROUTERS.get(self.router).prepare(self.parts, self.settings)

    def with_floors(self, floors: NDArray[np.float64] | None) -> RoutingState:
        """Return the same router with other floors; what it has prepared stays."""
        other = replace(self, floors=floors)
        if "prepared" in vars(self):
            vars(other)["prepared"] = self.prepared
        return other

    def keeping(self) -> RoutingState:
        """Return the same router for rows that will be read again (:class:`.Reader`); both have prepared the same."""
        other = replace(self, reader=self.reader.keeping())
        vars(other)["prepared"] = self.prepared
        return other


def route(state: RoutingState, rows: Dataset, truth: NDArray[np.int64] | None = None) -> NDArray[Any]:
    """Return a score of each adapter for each text, higher is better: (texts, adapters).

    Args:
        state: the router and its adapters.
        rows: the texts.
        truth: for each text the column of the right adapter; only ``oracle`` reads it.
    """
    query = Query(rows, state.reader, truth)
    return ROUTERS.get(state.router).score(state.prepared, query, state.settings)


def require_routable(router: str, adapters: Sequence[StoredAdapter], backbone: Backbone) -> None:
    """Make sure that ``router`` can choose among ``adapters``.

    Raises:
        UnknownNameError: no such router.
        InputError: no adapters, several of one task, or one that is on another backbone, of a kind or library that the
            router cannot handle, or whose task has pairs of texts where the others' have single ones.
    """
    card = ROUTERS.get(router)
    if not adapters:
        raise InputError("no adapters to choose from", hint="Train some: workbench train TASK --method lora")
    complaints = [complaint for adapter in adapters if (complaint := _complaint(adapter, backbone, card.libraries))]
    complaints += [f"{', '.join(ids)} are all for {task}" for task, ids in _by_task(adapters).items() if len(ids) > 1]
    if len({adapter.manifest.task.pair for adapter in adapters}) > 1:
        pairs = [adapter.id for adapter in adapters if adapter.manifest.task.pair]
        complaints.append(f"only {', '.join(pairs)} answer for pairs of texts")
    if complaints:
        hint = f"{card.title} routes among {KIND} adapters of {' or '.join(card.libraries)}, one for each task."
        raise InputError(f"router {router} cannot choose among these: {'; '.join(complaints)}", hint=hint)


def reader_for(adapters: Sequence[StoredAdapter], backbone: Backbone) -> Reader:
    """Return how a router reads for these adapters: as many tokens as the longest reads, fp32 where any computes so."""
    manifests = [adapter.manifest for adapter in adapters]
    precision: Precision = "fp32" if any(manifest.precision == "fp32" for manifest in manifests) else "bf16"
    return Reader(backbone, precision, max(manifest.budget.max_length for manifest in manifests))


def part_key(router: str, settings: RouterSettings, adapter: StoredAdapter, reader: Reader) -> str:
    """Return the SHA-256 over all that determines what ``router`` knows of ``adapter``."""
    manifest = adapter.manifest
    return key(
        {
            "router": ROUTERS.identity(router),
            "settings": settings.model_dump(mode="json"),
            "adapter": adapter.identity,
            "examples": [manifest.task.fingerprint, manifest.budget.train_examples, manifest.seed_here],
            "reader": [reader.backbone.pooling, reader.precision, reader.max_length],
            "versions": versions(),
        }
    )


def scores_key(state: RoutingState) -> str:
    """Return the SHA-256 over all that determines how a router scores the validation texts of its adapters' tasks."""
    budgets = [adapter.manifest.budget for adapter in state.adapters]
    return key(
        {
            "parts": [part_key(state.router, state.settings, adapter, state.reader) for adapter in state.adapters],
            "validation": [[budget.eval_examples, budget.validation_examples] for budget in budgets],
        }
    )


def save_part(folder: Path, part: Part, router: str, settings: RouterSettings, *adapters: StoredAdapter) -> None:
    """Write a part as safetensors, and beside it a card with its router, settings and adapter, or adapters.

    Raises:
        UnwritableError: nothing can be written there.
    """
    about = ", ".join(adapter.id for adapter in adapters)
    card = {"router": router, "settings": settings.model_dump(mode="json"), "adapter": about}
    with written_whole(folder) as scratch:
        save_file({name: tensor.contiguous() for name, tensor in part.items()}, scratch / ARRAYS)
        (scratch / CARD).write_text(json.dumps(card, indent=2), encoding="utf-8")
        checksummed.seal(scratch, folder.name)


def load_part(folder: Path, compared: bool = False) -> Part | None:
    """Return what :func:`save_part` wrote; None where there is nothing.

    ``compared``: its files were compared with their digests before, and are not again.

    Raises:
        IntegrityError: a file of it is damaged or missing, or the folder was written under another name.
    """
    if not folder.is_dir():
        return None
    if not compared:
        checksummed.require_sound(folder, under=folder.name)
    try:
        return load_file(folder / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise IntegrityError(f"damaged: not readable ({reason(error)})", where=str(folder / ARRAYS)) from None


def fit_part(router: str, settings: RouterSettings, adapter: StoredAdapter, task: Task | None, reader: Reader) -> Part:
    """Return what ``router`` learns about ``adapter`` from the examples that the adapter was trained on."""
    return ROUTERS.get(router).fit(adapter, task, reader.keeping(), settings)


def _complaint(adapter: StoredAdapter, backbone: Backbone, libraries: Sequence[str]) -> str | None:
    manifest = adapter.manifest
    if manifest.backbone.fingerprint != backbone.fingerprint:
        trained, name = manifest.backbone.name, backbone.name
        there = f"other weights of {name} than are here" if trained == name else f"{trained}, not on {name}"
        return f"{adapter.id} was trained on {there}"
    if manifest.task.kind != KIND:
        return f"{adapter.id} is for {manifest.task.kind}"
    if manifest.library not in libraries:
        return f"{adapter.id} is an adapter of {manifest.library} ({manifest.method})"
    return None


def _by_task(adapters: Sequence[StoredAdapter]) -> dict[str, list[str]]:
    by_task: dict[str, list[str]] = {}
    for adapter in adapters:
        by_task.setdefault(adapter.manifest.task.name, []).append(adapter.id)
    return by_task
