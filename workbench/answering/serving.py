"""Many adapters on one backbone in memory: switch between them, or let each row of a batch be answered by its own.

Two copies of a backbone cost twice its memory, and loading one takes seconds; an adapter beside those that are there
already takes a few MB, and switching to it milliseconds. Rows of different adapters go through the backbone together
where the library can (LoRAs of peft, and BatchSplit of the package adapters for bottlenecks), which is what
keeps batches full when requests for many tasks come in.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from workbench.adapters.adapter_folder import check_adapter
from workbench.answering.predictor import Answer, OpenedAdapter, answers_of, in_words
from workbench.backbone.batching import in_batches, require_scores
from workbench.backbone.bf16_matrices import shown_in_float32
from workbench.backbone.quantisation import keep_as_packed
from workbench.errors import InputError, opening
from workbench.machine.device import Precision
from workbench.methods.kinds import KINDS
from workbench.methods.libraries import LIBRARIES
from workbench.methods.libraries.peft import trains_biases, trains_whole
from workbench.methods.library import Hosts
from workbench.methods.model import TaskModel
from workbench.methods.stored_model import open_head, pooling_of, require_backbone, require_described

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.backbone.pretrained import Backbone

Company = tuple[str, str, Precision]
Owner = TypeVar("Owner", bound=Hashable)
MIXED_KIND = "classification"  # its answers are one head's logits of one feature vector a row


class Answering(Protocol):
    """Adapters that are open on one body."""

    @property
    def adapters(self) -> Mapping[str, StoredAdapter]:
        """Return id → the stored adapter."""

    def answers(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        """Return what ``owners[i]`` answers to row i."""


class SingleAdapter:
    """One adapter on a body of its own; it shares the weights that it does not change."""

    def __init__(self, adapter: StoredAdapter, backbone: Backbone) -> None:
        """Open the adapter; raises InputError where it belongs to another backbone."""
        self.adapters = {adapter.id: adapter}
        self._opened = OpenedAdapter.open(adapter, backbone)

    def answers(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        """Return the adapter's answers; it owns every row."""
        return answers_of(self._opened.model, self._opened.adapter, rows, self._opened.backbone)


class Serving:
    """One backbone, and adapters of one method and precision on it.

    Attributes:
        body: the backbone with all of them.
        adapters: id → the stored adapter.
    """

    def __init__(self, adapters: Sequence[StoredAdapter], backbone: Backbone) -> None:
        """Load the backbone once, and every adapter onto it.

        Raises:
            InputError: no adapters, of several methods or precisions, of another backbone, or of a library that keeps
                one adapter at a time.
        """
        if len(kinds := {_company(adapter) for adapter in adapters}) != 1:
            listed = "; ".join(" ".join(kind) for kind in sorted(kinds)) or "none"
            hint = "answers() serves adapters of any methods, one group after another."
            raise InputError(f"one backbone serves adapters of one method and precision, not {listed}", hint=hint)
        (library, method, precision), *_ = kinds
        hosting = LIBRARIES.get(library)
        if not isinstance(hosting, Hosts):
            raise InputError(f"{method} cannot be switched: {library} holds one adapter at a time")
        self.adapters = {adapter.id: adapter for adapter in adapters}
        self._library: Hosts = hosting
        self._names = {name: f"adapter-{index:03d}" for index, name in enumerate(self.adapters)}  # ids may have dots
        body: nn.Module = backbone.load(precision=precision)
        for adapter in adapters:
            require_backbone(adapter, backbone)
            require_described(adapter, backbone)
            with opening("the adapter", str(adapter.folder)), shown_in_float32(body):
                check_adapter(adapter.folder)
                body = hosting.host(body, adapter.folder, self._names[adapter.id])
        self.body, self.backbone = (keep_as_packed(body) if backbone.quantization else body).eval(), backbone
        self._splits_batches = hosting.mixes(self.body)
        self._active: str | None = None  # the adapter that answers alone; None where several answer, or nobody knows
        self._models = {adapter.id: self._model(adapter, open_head(adapter, backbone)) for adapter in adapters}

    @property
    def mixes(self) -> bool:
        """Whether the rows of one batch can be of different adapters."""
        return all(self._can_mix(adapter) for adapter in self.adapters)

    def switch(self, adapter: str) -> TaskModel:
        """Return the model of one adapter; the body is shared, so an earlier model no longer answers."""
        if self._active != adapter:
            self._library.switch(self.body, self._names[adapter])
            self._active = adapter
        return self._models[adapter]

    def answers(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        """Return what ``owners[i]`` answers to row i: rows of several adapters in one go where possible, else in turns.

        Rows that all have one owner are answered as by that adapter alone, bit for bit.
        """
        together = {owner for owner in set(owners) if self._can_mix(owner)}
        turns = [None if owner in together and len(together) > 1 else owner for owner in owners]

        def answer(owner: str | None, indices: Sequence[int]) -> list[Answer]:
            part = rows.select(indices)
            if owner is None:
                return self._answer_mixed(part, [owners[index] for index in indices])
            return answers_of(self.switch(owner), self.adapters[owner], part, self.backbone)

        return _in_places(turns, answer)

    def _can_mix(self, adapter: str) -> bool:
        kind = self.adapters[adapter].manifest.task.kind
        return kind == MIXED_KIND and self._splits_batches

    def _answer_mixed(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        encoded = _in_places(owners, lambda adapter, indices: self._questions(adapter, rows.select(indices)))
        model = self._models[owners[0]]
        logits = in_batches(
            lambda indices, batch: self._logits(model, [owners[index] for index in indices], batch),
            model,
            encoded,
            model.kind.collate(self.backbone.tokenizer),
        )
        require_scores(logits)

        def say(adapter: str, indices: Sequence[int]) -> list[Answer]:
            labels = self.adapters[adapter].manifest.task.labels
            return in_words(model.kind, np.stack([logits[index] for index in indices]), labels)

        return _in_places(owners, say)

    def _logits(self, model: TaskModel, owners: Sequence[str], batch: dict[str, Tensor]) -> list[NDArray[np.float32]]:
        """Return each row's logits by its own adapter and head, (labels of its task,)."""
        order = sorted(range(len(owners)), key=lambda row: owners[row])  # rows of one adapter follow each other
        self._active = None
        beside = self._library.mix(self.body, [self._names[owners[row]] for row in order])
        inputs = {name: tensor[order] for name, tensor in batch.items()}
        states, mask = model.states(**inputs, **beside), inputs["attention_mask"]
        where = {row: index for index, row in enumerate(order)}

        def head(adapter: str, rows: Sequence[int]) -> list[NDArray[np.float32]]:
            own, answers_of = [where[row] for row in rows], self._models[adapter]
            features = answers_of.pool(states[own], mask[own])  # (rows of the adapter, hidden_size)
            return list(answers_of.head(features).float().cpu().numpy())

        return _in_places(owners, head)

    def _questions(self, adapter: str, rows: Dataset) -> list[dict[str, Any]]:
        manifest = self.adapters[adapter].manifest
        return KINDS.get(manifest.task.kind).questions(rows, self.backbone.tokenizer, manifest.budget.max_length)

    def _model(self, adapter: StoredAdapter, head: nn.Module) -> TaskModel:
        kind, pooling = KINDS.get(adapter.manifest.task.kind), pooling_of(adapter.manifest, self.backbone)
        return TaskModel(self.body, head, kind, pooling, adapter.manifest.precision).eval()


def sharing(adapters: Sequence[StoredAdapter]) -> list[list[StoredAdapter]]:
    """Return groups of adapters that one body can host (of one library, method and precision), others by themselves."""
    groups: dict[object, list[StoredAdapter]] = {}
    for adapter in adapters:
        company, described = _company(adapter), adapter.manifest.config or {}
        hosted = isinstance(LIBRARIES.get(company[0]), Hosts) and not trains_biases(described)
        group = (company, trains_whole(described)) if hosted else adapter.id  # who does takes turns, and mixes no rows
        groups.setdefault(group, []).append(adapter)
    return list(groups.values())


def open_group(group: Sequence[StoredAdapter], backbone: Backbone) -> Answering:
    """Return a group of :func:`sharing`, open; raises InputError where one belongs to another backbone."""
    return Serving(group, backbone) if len(group) > 1 else SingleAdapter(group[0], backbone)


def answers(
    adapters: Sequence[StoredAdapter], backbone: Backbone, rows: Dataset, owners: Sequence[str]
) -> list[Answer]:
    """Return the answer of the adapter with id ``owners[i]`` to row i; the adapters may have different methods.

    Adapters that can share a backbone do; the groups are opened one after another.

    Raises:
        InputError: an adapter of another backbone.
    """
    groups = sharing([adapter for adapter in adapters if adapter.id in set(owners)])
    group_of = {adapter.id: number for number, group in enumerate(groups) for adapter in group}

    def answer(number: int, indices: Sequence[int]) -> list[Answer]:
        return open_group(groups[number], backbone).answers(rows.select(indices), [owners[index] for index in indices])

    return _in_places([group_of[owner] for owner in owners], answer)


def _in_places(owners: Sequence[Owner], work: Callable[[Owner, Sequence[int]], Sequence[Any]]) -> list[Any]:
    """Return one result a row, in the rows' order; ``work`` does all rows of one owner at once, given their places."""
    results: list[Any] = [None] * len(owners)
    for owner in dict.fromkeys(owners):
        indices = [index for index, other in enumerate(owners) if other == owner]
        for index, result in zip(indices, work(owner, indices), strict=True):
            results[index] = result
    return results


def _company(adapter: StoredAdapter) -> Company:
    """Return what adapters on one body have in common: library, method and precision."""
    manifest = adapter.manifest
    return manifest.library, manifest.method, manifest.precision
