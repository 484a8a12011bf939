"""Answers to texts whose task nobody names: which adapters may answer, and the router that chooses among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.answers.adapter_task import adapter_task
from experiments.answers.naming import adapter_id, adapter_of_each_task
from experiments.workspace.routers import known_state
from fusion.choosing import choose
from fusion.reading import KIND
from fusion.route import require_routable
from fusion.routing import ROUTERS
from workbench import serving
from workbench.asking import rows_of
from workbench.backbone_names import open_backbone
from workbench.choosing import readable_adapters
from workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datasets import Dataset

    from experiments.workspace import Workspace
    from fusion.route import RoutingState
    from workbench.backbone import Backbone
    from workbench.listener import Listener
    from workbench.manifest import Manifest
    from workbench.settings import Document
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task


@dataclass(frozen=True)
class RoutedPrediction:
    """What the adapter that a router chose says about one text.

    Attributes:
        text: the text.
        label: the adapter's answer.
        confidence: the label's probability, by that adapter.
        adapter: the chosen adapter's id.
        task: the task that it was trained on.
        routing_score: the router's score of it; what it means is the router's own.
    """

    text: str
    label: str
    confidence: float | None
    adapter: str
    task: str
    routing_score: float


def routed(
    workspace: Workspace,
    router: str,
    settings: Document,
    texts: Sequence[Any],
    among: Sequence[str],
    backbone: str | None,
    task_folders: Sequence[Path],
    listener: Listener,
) -> list[RoutedPrediction]:
    """Return the answer to each text, see :meth:`experiments.api.Workbench.route`; ``settings`` are the router's."""
    card, rows = ROUTERS.get(router), rows_of(texts)
    parsed = settings.parse(card.settings)

    def known_to_router(manifest: Manifest) -> bool:
        return manifest.library in card.libraries

    ids = [adapter_id(workspace, name, listener, task_folders, suits=known_to_router) for name in among]
    adapters, opened = candidates(workspace, router, "text_pair" in rows.column_names, ids, backbone)

    def task_of(adapter: StoredAdapter) -> Task:
        return training_task(adapter, task_folders)

    return answers(known_state(workspace, router, parsed, adapters, opened, task_of, listener), rows)


def candidates(
    workspace: Workspace, router: str, pair: bool, among: Sequence[str], backbone: str | None
) -> tuple[tuple[StoredAdapter, ...], Backbone]:
    """Return the adapters that a router may choose from, in the order of their tasks' names, and their backbone.

    Args:
        workspace: where they are.
        router: its name.
        pair: whether the texts are pairs.
        among: ids; else one adapter for each task, as :func:`experiments.answers.naming.adapter_of_each_task` chooses
            among those on the backbone that answer for such texts and are of a library that the router knows.
        backbone: where the backbone is; else that of the adapters, if they have one in common.

    Raises:
        UnknownNameError: no such router, or no such adapter.
        InputError: no adapter fits, they are on several backbones, or :func:`fusion.route.require_routable`.
    """
    store, libraries = workspace.adapters, ROUTERS.get(router).libraries
    adapters = [store.verify(name) for name in dict.fromkeys(among)]
    if not among:
        adapters = [adapter for adapter in readable_adapters(store) if suits(adapter.manifest, pair, libraries)]
    opened = _backbone(adapters, backbone)
    if not among:
        manifests = [adapter.manifest for adapter in adapters]
        own = [manifest for manifest in manifests if manifest.backbone.fingerprint == opened.fingerprint]
        adapters = [store.verify(name) for name in adapter_of_each_task(workspace, own).values()]
    require_routable(router, adapters, opened)
    if adapters[0].manifest.task.pair != pair:
        wanted = "pairs of texts" if adapters[0].manifest.task.pair else "single texts"
        raise InputError(f"these adapters answer for {wanted}", hint="--pair gives the second text of a pair.")
    return tuple(sorted(adapters, key=lambda adapter: adapter.manifest.task.name)), opened


def training_task(adapter: StoredAdapter, task_folders: Sequence[Path]) -> Task:
    """Return the task that a router reads of an adapter; raises as :func:`adapter_task`."""
    return adapter_task(adapter, task_folders, "the router needs the training examples", "router arrow")


def answers(state: RoutingState, rows: Dataset) -> list[RoutedPrediction]:
    """Return for each text the answer of the adapter that the router chooses."""
    choice = choose(state, rows)
    chosen = [state.adapters[index] for index in choice.adapters]
    adapter_answers = serving.answers(state.adapters, state.reader.backbone, rows, [adapter.id for adapter in chosen])
    per_text = zip(rows["text"][:], adapter_answers, chosen, choice.scores.tolist(), strict=True)
    return [
        RoutedPrediction(text, label, sure, adapter.id, adapter.manifest.task.name, score)
        for text, (label, sure, _), adapter, score in per_text
    ]


def suits(manifest: Manifest, pair: bool, libraries: Sequence[str]) -> bool:
    """Return whether an adapter answers for such texts, and a router that knows ``libraries`` can choose it."""
    return manifest.task.kind == KIND and manifest.task.pair == pair and manifest.library in libraries


def _backbone(adapters: Sequence[StoredAdapter], name: str | None) -> Backbone:
    backbones = {adapter.manifest.backbone.fingerprint: adapter.manifest.backbone.name for adapter in adapters}
    if name is None and len(backbones) > 1:
        names = sorted(backbones.values())
        hint = "A router chooses among adapters of one backbone: name it with --backbone, or the adapters with --among."
        raise InputError(f"there are adapters on several backbones: {', '.join(names)}", hint=hint)
    if not backbones:
        hint = "Train some first: workbench train TASK --method lora"
        raise InputError("there are no adapters that this router could choose from", hint=hint)
    return open_backbone(name or next(iter(backbones.values())))
