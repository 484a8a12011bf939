"""Answers to texts whose task nobody names: which adapters may answer, and the router that chooses among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.answers.adapter_task import adapter_task, on_data_here
from adapter_workbench.experiments.answers.naming import adapter_id, adapter_of_each_task, left_by_experiments
from adapter_workbench.experiments.workspace.routers import known_state, with_floors
from adapter_workbench.fusion.routing.route import require_routable
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.fusion.target.reader import KIND
from adapter_workbench.workbench.adapters.name_resolution import readable_adapters
from adapter_workbench.workbench.answering import serving
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import backbone_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datasets import Dataset

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.routing.rejection import Rejection
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.predictor import Answer
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document


@dataclass(frozen=True)
class RoutedPrediction:
    """What the adapter that a router chose says about one text."""

    text: str  # the text
    label: str | None  # the adapter's answer; None where the router rejects the text: it is of none of its tasks
    confidence: float | None  # the label's probability, by that adapter
    adapter: str | None  # the chosen adapter's id; None for a rejected text
    task: str | None  # the task that it was trained on; None for a rejected text
    routing_score: float  # the router's score of the nearest task; what it means is the router's own
    nearest_task: str  # the task with the highest score, also where that is too low


def route_texts(
    workspace: Workspace,
    router: str,
    settings: Document,
    texts: Sequence[Any],
    among: Sequence[str],
    backbone: str | None,
    task_folders: Sequence[Path],
    listener: Listener,
    rejection: Rejection | None = None,
) -> list[RoutedPrediction]:
    """Return the answer to each text, see :meth:`Workbench.route`; ``settings`` are the router's."""
    card, rows = ROUTERS.get(router), rows_of(texts)
    parsed = settings.parse(card.settings)

    def known_to_router(manifest: Manifest) -> bool:
        return manifest.library in card.libraries

    ids = [adapter_id(workspace, name, listener, task_folders, suits=known_to_router) for name in among]
    adapters, opened = adapters_to_choose_from(workspace, router, "text_pair" in rows.column_names, ids, backbone)

    def task_of(adapter: StoredAdapter) -> Task:
        return training_task(adapter, task_folders)

    if reads_tasks(router, rejection):
        adapters = on_data_here(adapters, task_folders)
    state = known_state(workspace, router, parsed, adapters, opened, task_of, listener)
    return answers(with_floors(workspace, state, rejection, partial(validation, task_folders), listener), rows)


def adapters_to_choose_from(
    workspace: Workspace, router: str, pair: bool, among: Sequence[str], backbone: str | None
) -> tuple[tuple[StoredAdapter, ...], Backbone]:
    """Return the adapters that a router may choose from, in the order of their tasks' names, and their backbone.

    Args:
        workspace: where they are.
        router: its name.
        pair: whether the texts are pairs.
        among: ids; else one adapter for each task, as :func:`adapter_of_each_task` chooses
            among those on the backbone that answer for such texts and are of a library that the router knows.
        backbone: where the backbone is; else that of the adapters, if they have one in common.

    Raises:
        UnknownNameError: no such router, or no such adapter.
        InputError: no adapter fits, they are on several backbones, or :func:`require_routable`.
    """
    store, libraries = workspace.adapters, ROUTERS.get(router).libraries
    adapters = [store.verify(name) for name in dict.fromkeys(among)]
    if not among:
        adapters = [adapter for adapter in readable_adapters(store) if suits(adapter.manifest, pair, libraries)]
        adapters = _in_service(workspace, adapters)
    opened = _backbone(adapters, backbone)
    if not among:
        manifests = [adapter.manifest for adapter in adapters]
        on_backbone = [manifest for manifest in manifests if manifest.backbone.fingerprint == opened.fingerprint]
        adapters = [store.verify(name) for name in adapter_of_each_task(workspace, on_backbone).values()]
    require_routable(router, adapters, opened)
    if adapters[0].manifest.task.pair != pair:
        kind_of_texts = "pairs of texts" if adapters[0].manifest.task.pair else "single texts"
        raise InputError(f"these adapters answer for {kind_of_texts}", hint="--pair gives the second text of a pair.")
    return tuple(sorted(adapters, key=lambda adapter: adapter.manifest.task.name)), opened


def _in_service(workspace: Workspace, adapters: Sequence[StoredAdapter]) -> list[StoredAdapter]:
    """Return those that a person asked for; raises InputError where experiments left all that there are."""
    serving = workspace.origins.serving(adapters)
    if adapters and not serving:
        left = left_by_experiments(workspace, (adapter.manifest for adapter in adapters))
        hint = f"{left} Or name those to choose from: --among ID,ID"
        raise InputError(f"nobody asked for one of the {len(adapters)} adapters that fit", hint=hint)
    return serving


def reads_tasks(router: str, rejection: Rejection | None) -> bool:
    """Return whether a router, or how it rejects texts, depends on examples of the adapters' tasks."""
    return ROUTERS.get(router).reads_data or (rejection is not None and rejection.share is not None)


def training_task(adapter: StoredAdapter, task_folders: Sequence[Path]) -> Task:
    """Return the task that a router reads of an adapter; raises as :func:`adapter_task`."""
    return adapter_task(adapter, task_folders, "the router needs the training examples", "router arrow")


def validation(task_folders: Sequence[Path], adapter: StoredAdapter) -> Dataset:
    """Return the validation texts of an adapter's task; raises as :func:`adapter_task`."""
    need = "--max-false-rejections needs the validation examples"
    return adapter_task(adapter, task_folders, need, "--min-routing-score").splits["validation"]


def answers(state: RoutingState, rows: Dataset) -> list[RoutedPrediction]:
    """Return for each text the answer of the adapter that the router chooses; none where it rejects the text."""
    choice = adapters_for_texts(state, rows)
    nearest = [state.adapters[index] for index in choice.adapters]
    believed = np.flatnonzero(~choice.rejected)
    owners = [nearest[index].id for index in believed]
    some = rows if len(believed) == len(rows) else rows.select(believed)
    answered = iter(serving.answers(state.adapters, state.reader.backbone, some, owners) if owners else ())
    return [
        _without_answer(text, adapter, score) if rejected else _with_answer(text, adapter, score, next(answered))
        for text, adapter, score, rejected in zip(
            rows["text"][:], nearest, choice.scores.tolist(), choice.rejected, strict=True
        )
    ]


def _without_answer(text: str, nearest: StoredAdapter, score: float) -> RoutedPrediction:
    return RoutedPrediction(text, None, None, None, None, score, nearest.manifest.task.name)


def _with_answer(text: str, adapter: StoredAdapter, score: float, answer: Answer) -> RoutedPrediction:
    task = adapter.manifest.task.name
    return RoutedPrediction(text, answer.words, answer.confidence, adapter.id, task, score, task)


def suits(manifest: Manifest, pair: bool, libraries: Sequence[str]) -> bool:
    """Return whether an adapter answers for such texts, and a router that knows ``libraries`` can choose it.

    Nobody means an adapter that was made for a comparison alone.
    """
    task = manifest.task
    return task.kind == KIND and task.pair == pair and manifest.library in libraries and not task.for_comparison


def _backbone(adapters: Sequence[StoredAdapter], name: str | None) -> Backbone:
    backbones = {adapter.manifest.backbone.fingerprint: adapter for adapter in adapters}
    if name is None and len(backbones) > 1:
        names = sorted(adapter.manifest.base_name for adapter in backbones.values())
        hint = "A router chooses among adapters of one backbone: name it with --backbone, or the adapters with --among."
        raise InputError(f"there are adapters on several backbones: {', '.join(names)}", hint=hint)
    if not backbones:
        hint = "Train some first: workbench train TASK --method lora"
        raise InputError("there are no adapters that this router could choose from", hint=hint)
    return backbone_of(next(iter(backbones.values())), name)
