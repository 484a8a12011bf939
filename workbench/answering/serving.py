"""Many adapters on one backbone in memory: switch between them, or let each row of a batch be answered by its own.

Two copies of a backbone cost twice its memory, and loading one takes seconds; an adapter beside those that are there
already takes less than a MB, and switching to it nothing. Rows of different adapters go through the backbone together
where the library can (a bank of LoRAs, and BatchSplit of the package adapters for bottlenecks), which is what
keeps batches full when requests for many tasks come in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from adapter_workbench.workbench.answering.joint_answers import Writers, questions_of_owners, written_together
from adapter_workbench.workbench.answering.predictor import Answer, OpenedAdapter, answers_of, in_words
from adapter_workbench.workbench.answering.shared_body import BankedAdapters, shared_body
from adapter_workbench.workbench.answering.text_likelihood import text_likelihoods
from adapter_workbench.workbench.backbone.batching import in_batches, in_places, require_scores
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.machine.device import Precision
from adapter_workbench.workbench.methods.kind import GENERATED, Generates
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.libraries.peft import trains_biases, trains_whole
from adapter_workbench.workbench.methods.library import Banks, Hosts, UnmixableError
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_head, pooling_of, require_backbone, require_openable
from adapter_workbench.workbench.settings.base import StoredWidth

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.shared_body import SharedBody
    from adapter_workbench.workbench.answering.text_likelihood import RawText, TextLikelihood
    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling

Company = tuple[str, str, Precision, StoredWidth]
MIXED_KINDS = ("classification", *GENERATED)  # answers: one head's logits of a vector a row, or what one head writes


class Answering(Protocol):
    """Adapters that are open on one body."""

    @property
    def adapters(self) -> Mapping[str, StoredAdapter]:
        """Return id → the stored adapter."""

    def answers(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        """Return what ``owners[i]`` answers to row i."""

    def likelihoods(self, texts: Sequence[RawText], owners: Sequence[str]) -> list[TextLikelihood | None]:
        """Return what ``owners[i]`` says about text i (:func:`.text_likelihoods`); all are causal language models."""

    def writers(self, owner: str) -> Writers | None:
        """Return an adapter and those whose answers can be written in one batch with its own; None where it is none."""

    def read_with(self, backbone: Backbone) -> None:
        """Take the tokenizer of ``backbone``, the same one opened again, from now on."""


class SingleAdapter:
    """One adapter on a body of its own; it shares the weights that it does not change."""

    def __init__(self, adapter: StoredAdapter, backbone: Backbone) -> None:
        """Open the adapter; raises InputError where it belongs to another backbone."""
        self.adapters = {adapter.id: adapter}
        self._opened = OpenedAdapter.open(adapter, backbone)
        model = self._opened.model
        self._writers = Writers(model, backbone, self.adapters) if isinstance(model.kind, Generates) else None

    def answers(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        """Return the adapter's answers; it owns every row."""
        return answers_of(self._opened.model, self._opened.adapter, rows, self._opened.backbone)

    def likelihoods(self, texts: Sequence[RawText], owners: Sequence[str]) -> list[TextLikelihood | None]:
        """See :meth:`Answering.likelihoods`."""
        return text_likelihoods(self._opened.model, texts, self._opened.backbone.tokenizer)

    def writers(self, owner: str) -> Writers | None:
        """See :meth:`Answering.writers`."""
        return self._writers

    def read_with(self, backbone: Backbone) -> None:
        """See :meth:`Answering.read_with`."""
        self._opened = replace(self._opened, backbone=backbone)
        if self._writers:
            self._writers.backbone = backbone


class Serving:
    """One backbone, and adapters of one method, precision and width of weights on it.

    Attributes:
        body: the backbone, as all of them use it.
        adapters: id → the stored adapter.
    """

    def __init__(
        self,
        adapters: Sequence[StoredAdapter],
        backbone: Backbone,
        before: Serving | None = None,
        bank_bytes: int | None = None,
    ) -> None:
        """Load the backbone once, and every adapter for it.

        Where adapters can be in a bank beside the backbone, what is open in ``before`` and has not changed is taken
        from there; that one still answers, also in another thread. A new bank holds ``bank_bytes`` of them in
        memory, or all.

        Raises:
            InputError: no adapters, of several methods, precisions or widths, of another backbone, or of a library that
                keeps one adapter at a time.
        """
        if len(kinds := {_company(adapter) for adapter in adapters}) != 1:
            listed = "; ".join(" ".join(kind) for kind in sorted(kinds)) or "none"
            hint = "answers() serves adapters of any methods, one group after another."
            raise InputError(
                f"one backbone serves adapters of one method, precision and budget.weights, not {listed}", hint=hint
            )
        (self.company,) = kinds
        self.adapters = {adapter.id: adapter for adapter in adapters}
        self.backbone = backbone
        known = before if before and before.goes_on(adapters, backbone) else None
        for adapter in adapters:
            if not known or not known.has(adapter):
                require_openable(adapter, backbone)
        self._shared: SharedBody = shared_body(adapters, backbone, known._shared if known else None, bank_bytes)
        self.body = self._shared.body
        kept = known if known and known.body is self.body else None
        self._models: dict[str, TaskModel] = {
            adapter.id: kept._models[adapter.id] if kept and kept.has(adapter) else self._model(adapter)
            for adapter in adapters
        }
        self._writers = {
            kind: Writers(self._models[adapter.id], backbone, self.adapters, self._arrange)
            for kind, adapter in {self._kind(adapter.id): adapter for adapter in adapters}.items()
            if kind in GENERATED
        }

    def has(self, adapter: StoredAdapter) -> bool:
        """Return whether this very adapter is open here, and not only one of its name."""
        own = self.adapters.get(adapter.id)
        return own is adapter or (own is not None and own.manifest == adapter.manifest)

    def goes_on(self, adapters: Sequence[StoredAdapter], backbone: Backbone) -> bool:
        """Return whether other adapters could be answered on the body of these."""
        own = (self.company, self.backbone.fingerprint, self.backbone.quantization, self.backbone.pooling)
        return own == (_company(adapters[0]), backbone.fingerprint, backbone.quantization, backbone.pooling)

    @property
    def in_bank(self) -> bool:
        """Whether the adapters are in a bank beside the body."""
        return isinstance(self._shared, BankedAdapters)

    @property
    def mixes(self) -> bool:
        """Whether the rows of one batch can be of different adapters."""
        return all(self._can_mix(adapter) for adapter in self.adapters)

    def switch(self, adapter: str) -> TaskModel:
        """Return the model of one adapter; the body is shared, so an earlier model no longer answers."""
        self._shared.switch(adapter)
        return self._models[adapter]

    def answers(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        """Return what ``owners[i]`` answers to row i: rows of several adapters in one go where possible, else in turns.

        Rows that all have one owner are answered as by that adapter alone, bit for bit.
        """
        together = {owner for owner in set(owners) if self._can_mix(owner)}
        try:
            return self._answers(rows, owners, together)
        except UnmixableError:
            return self._answers(rows, owners, set())

    def likelihoods(self, texts: Sequence[RawText], owners: Sequence[str]) -> list[TextLikelihood | None]:
        """See :meth:`Answering.likelihoods`; texts of several adapters are read in one go where possible."""
        if self._shared.mixes and len(set(owners)) > 1:
            with suppress(UnmixableError):
                return text_likelihoods(
                    self._models[owners[0]],
                    texts,
                    self.backbone.tokenizer,
                    lambda numbers: self._shared.mix([owners[number] for number in numbers]),
                )

        def tell(owner: str, indices: Sequence[int]) -> list[TextLikelihood | None]:
            return text_likelihoods(self.switch(owner), [texts[index] for index in indices], self.backbone.tokenizer)

        return in_places(owners, tell)

    def writers(self, owner: str) -> Writers | None:
        """See :meth:`Answering.writers`."""
        return self._writers.get(self._kind(owner)) if self._shared.mixes else None

    def read_with(self, backbone: Backbone) -> None:
        """See :meth:`Answering.read_with`."""
        self.backbone = backbone
        for writers in self._writers.values():
            writers.backbone = backbone

    def _answers(self, rows: Dataset, owners: Sequence[str], together: set[str]) -> list[Answer]:
        kinds = Counter(self._kind(owner) for owner in together)

        def turn_of(owner: str) -> tuple[str, str | None]:
            kind = self._kind(owner)
            return kind, None if owner in together and kinds[kind] > 1 else owner

        def answer(turn: tuple[str, str | None], indices: Sequence[int]) -> list[Answer]:
            part, (_, owner) = rows.select(indices), turn
            if owner is None:
                return self._answer_mixed(part, [owners[index] for index in indices])
            return answers_of(self.switch(owner), self.adapters[owner], part, self.backbone)

        return in_places([turn_of(owner) for owner in owners], answer)

    def _kind(self, adapter: str) -> str:
        return self.adapters[adapter].manifest.task.kind

    def _can_mix(self, adapter: str) -> bool:
        return self._kind(adapter) in MIXED_KINDS and self._shared.mixes

    def _answer_mixed(self, rows: Dataset, owners: Sequence[str]) -> list[Answer]:
        """Return the answers of several adapters, whose tasks are of one kind."""
        model = self._models[owners[0]]
        if (writers := self.writers(owners[0])) and (written := written_together(writers, rows, owners)):
            return written
        encoded = questions_of_owners(model.kind, rows, owners, self.adapters, self.backbone.tokenizer)
        if isinstance(model.kind, Generates):

            def arrange(indices: Sequence[int]) -> list[int]:
                return self._arrange([owners[index] for index in indices])

            generated = model.kind.generated(model, rows, encoded, self.backbone.tokenizer, arrange)
            return in_words(model.kind, generated, ())
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

        return in_places(owners, say)

    def _arrange(self, owners: Sequence[str]) -> list[int]:
        """Let each row of a batch be answered by its own adapter while an answer is generated."""
        order, beside = self._shared.mix(owners)
        if beside:
            raise UnmixableError("generating gives a forward pass nothing beside the batch")
        return order

    def _logits(self, model: TaskModel, owners: Sequence[str], batch: dict[str, Tensor]) -> list[NDArray[np.float32]]:
        """Return each row's logits by its own adapter and head, (labels of its task,)."""
        order, beside = self._shared.mix(owners)
        inputs = {name: tensor[order] for name, tensor in batch.items()}
        states, mask = model.states(**inputs, **beside), inputs["attention_mask"]
        where = {row: index for index, row in enumerate(order)}
        poolings = [self._models[owner].pooling for owner in owners]

        def pool(_: Pooling, rows: Sequence[int]) -> list[Tensor]:
            own = [where[row] for row in rows]
            return [*self._models[owners[rows[0]]].pool(states[own], mask[own])]  # each (hidden_size,)

        features = in_places(poolings, pool)

        def head(adapter: str, rows: Sequence[int]) -> list[NDArray[np.float32]]:
            read = torch.stack([features[row] for row in rows])  # (rows of the adapter, hidden_size)
            return list(self._models[adapter].head(read).float().cpu().numpy())

        return in_places(owners, head)

    def _model(self, adapter: StoredAdapter) -> TaskModel:
        manifest, head = adapter.manifest, open_head(adapter, self.backbone)
        kind, pooling = KINDS.get(manifest.task.kind), pooling_of(manifest, self.backbone)
        return TaskModel(self.body, head, kind, pooling, manifest.precision).eval()


def sharing(
    adapters: Sequence[StoredAdapter], backbone: Backbone, before: Sequence[Answering] = ()
) -> list[list[StoredAdapter]]:
    """Return groups of adapters that one body can host, others by themselves.

    Those of a group have one library, method, precision and width of weights. What can be in a bank is in no group with
    what cannot, which would keep the others out of it; of those that are in a bank ``before``, this is known.

    Raises:
        InputError: one of them belongs to another backbone, or its config cannot be read.
    """
    banked = {
        adapter.identity
        for serving in before
        if isinstance(serving, Serving) and serving.in_bank
        for adapter in serving.adapters.values()
    }
    groups: dict[object, list[StoredAdapter]] = {}
    for adapter in adapters:
        company, described = _company(adapter), adapter.manifest.config or {}
        hosted = isinstance(LIBRARIES.get(company[0]), Hosts) and not trains_biases(described)
        group = (company, trains_whole(described)) if hosted else adapter.id  # who does takes turns, and mixes no rows
        groups.setdefault(group, []).append(adapter)
    return [part for group in groups.values() for part in _by_bank(group, backbone, banked)]


def _by_bank(group: list[StoredAdapter], backbone: Backbone, banked: Collection[str]) -> list[list[StoredAdapter]]:
    library = LIBRARIES.get(group[0].manifest.library)
    if len(group) == 1 or not isinstance(library, Banks):
        return [group]
    fits = library.fits_bank(backbone.config)
    parts: defaultdict[bool, list[StoredAdapter]] = defaultdict(list)
    for adapter in group:
        require_backbone(adapter, backbone)
        with opening("the adapter", str(adapter.folder)):
            parts[adapter.identity in banked or fits(adapter.folder)].append(adapter)
    return [*parts.values()]


def open_group(
    group: Sequence[StoredAdapter],
    backbone: Backbone,
    before: Sequence[Answering] = (),
    bank_bytes: int | None = None,
) -> Answering:
    """Return a group of :func:`sharing`, open; raises InputError where one belongs to another backbone.

    Of the groups that were open ``before``, the one that has most adapters in common goes on. A new bank holds
    ``bank_bytes`` of adapters in memory, or all.
    """
    if len(group) == 1:
        return SingleAdapter(group[0], backbone)
    ids = {adapter.id for adapter in group}
    open_before = [serving for serving in before if isinstance(serving, Serving)]
    nearest = max(open_before, key=lambda serving: len(ids & serving.adapters.keys()), default=None)
    return Serving(group, backbone, nearest, bank_bytes)


def answers(
    adapters: Sequence[StoredAdapter], backbone: Backbone, rows: Dataset, owners: Sequence[str]
) -> list[Answer]:
    """Return the answer of the adapter with id ``owners[i]`` to row i; the adapters may have different methods.

    Adapters that can share a backbone do; the groups are opened one after another.

    Raises:
        InputError: an adapter of another backbone.
    """
    groups = sharing([adapter for adapter in adapters if adapter.id in set(owners)], backbone)
    group_of = {adapter.id: number for number, group in enumerate(groups) for adapter in group}

    def answer(number: int, indices: Sequence[int]) -> list[Answer]:
        return open_group(groups[number], backbone).answers(rows.select(indices), [owners[index] for index in indices])

    return in_places([group_of[owner] for owner in owners], answer)


def _company(adapter: StoredAdapter) -> Company:
    """Return what adapters on one body have in common: library, method, precision, and how matrices are kept."""
    manifest = adapter.manifest
    return manifest.library, manifest.method, manifest.precision, manifest.budget.weights
