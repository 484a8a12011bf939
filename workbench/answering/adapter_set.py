"""Adapters of any methods on one backbone: all are opened once, and answer until nobody needs them any more.

Those that one body can host (plain LoRAs of one precision, bottlenecks of one method) share it and answer the rows of a
batch together. Each other adapter has a body of its own. On a processor, all bodies share the memory of the weights
that nothing changes (:mod:`adapter_workbench.workbench.backbone.shared_weights`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.predictor import Answer, join_tables
from adapter_workbench.workbench.answering.serving import Answering, open_group, sharing
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.text_likelihood import RawText, TextLikelihood
    from adapter_workbench.workbench.backbone.pretrained import Backbone

NO_ANSWER = Answer("", None, "")  # of a row without an owner, and until there is one


@dataclass(frozen=True)
class Question:
    """Rows that came together (:func:`rows_of`); for each, the id of the adapter or None."""

    rows: Dataset
    owners: Sequence[str | None]


@dataclass(frozen=True)
class AdapterSet:
    backbone: Backbone  # of all of them
    adapters: Mapping[str, StoredAdapter]  # id → the stored adapter
    groups: tuple[Answering, ...]  # those that share a body, open

    @classmethod
    def open(
        cls,
        adapters: Sequence[StoredAdapter],
        backbone: Backbone,
        before: AdapterSet | None = None,
        bank_bytes: int | None = None,
    ) -> AdapterSet:
        """Open ``adapters``; groups that are in ``before`` as they are here are not opened again.

        Of a group in which some adapters changed, those that can be in a bank beside their body are not opened again.
        Each bank holds ``bank_bytes`` of adapters in memory, or all.

        Raises:
            InputError: an adapter of another backbone, or one that cannot be opened.
        """
        open_groups = {_identities(group.adapters.values()): group for group in before.groups} if before else {}
        groups = [
            _open_group(group, backbone, open_groups, bank_bytes)
            for group in sharing(adapters, backbone, before.groups if before else ())
        ]
        return cls(backbone, {adapter.id: adapter for adapter in adapters}, tuple(chain.from_iterable(groups)))

    def group_of(self, adapter: str) -> Answering:
        """Return the group that an adapter answers in, by its id."""
        return next(group for group in self.groups if adapter in group.adapters)

    def answers(self, questions: Sequence[Question]) -> list[list[Answer]]:
        """Return the answers to each question, row by row.

        Rows of several questions share a forward pass where their adapters share a body. A question that is asked by
        itself is answered as :class:`OpenedAdapter` answers it, bit for bit, if all its
        rows have one owner.
        """
        answered: list[list[Answer]] = [[NO_ANSWER] * len(question.rows) for question in questions]
        for columns in dict.fromkeys(tuple(question.rows.column_names) for question in questions):
            alike = [
                number for number, question in enumerate(questions) if tuple(question.rows.column_names) == columns
            ]
            rows = join_tables([questions[number].rows for number in alike])
            positions = [(number, row) for number in alike for row in range(len(questions[number].rows))]
            owners = [questions[number].owners[row] for number, row in positions]
            for group in self.groups:
                owner_of = {index: owner for index, owner in enumerate(owners) if owner and owner in group.adapters}
                own = [*owner_of]
                answers = group.answers(rows.select(own), [*owner_of.values()]) if own else []
                for index, answer in zip(own, answers, strict=True):
                    number, row = positions[index]
                    answered[number][row] = answer
        return answered

    def likelihoods(self, texts: Sequence[RawText], owners: Sequence[str]) -> list[TextLikelihood | None]:
        """Return what the adapter with id ``owners[i]`` says about text i; raises as :func:`.text_likelihoods`."""
        likelihoods: list[TextLikelihood | None] = [None] * len(texts)
        for group in self.groups:
            own = [index for index, owner in enumerate(owners) if owner in group.adapters]
            if own:
                rows = group.likelihoods([texts[index] for index in own], [owners[index] for index in own])
                for index, row in zip(own, rows, strict=True):
                    likelihoods[index] = row
        return likelihoods


def _open_group(
    group: Sequence[StoredAdapter],
    backbone: Backbone,
    open_groups: Mapping[tuple[str, ...], Answering],
    bank_bytes: int | None,
) -> list[Answering]:
    """Open a group on one body, or where it cannot be shared (VeRAs of several ranks), each adapter on its own.

    What is among ``open_groups`` stays open; they are found by the identities of their adapters.
    """
    if same := open_groups.get(_identities(group)):
        return [same]
    alone = {adapter.id: opened for adapter in group if (opened := open_groups.get(_identities([adapter])))}
    if len(alone) == len(group):
        return [*alone.values()]  # they could not share a body before
    try:
        return [open_group(group, backbone, [*open_groups.values()], bank_bytes)]
    except InputError as error:
        if len(group) == 1:
            raise
        blamed = [adapter for adapter in group if (error.where or "").startswith(str(adapter.folder))]
        for adapter in [*blamed, *group]:  # one that is damaged fails by itself too: no other is opened for nothing
            if adapter.id not in alone:
                alone[adapter.id] = open_group([adapter], backbone)
        return [alone[adapter.id] for adapter in group]


def _identities(adapters: Iterable[StoredAdapter]) -> tuple[str, ...]:
    return tuple(f"{adapter.id} {adapter.identity}" for adapter in adapters)
