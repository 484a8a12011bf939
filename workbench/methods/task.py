"""A task: a named, labelled problem with its data in hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

    from adapter_workbench.workbench.adapters.manifest import TaskReference

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Task:
    """A named, labelled problem with its data in hand."""

    name: str  # the registered name
    kind: str  # the name of a task kind (``classification``)
    labels: tuple[str, ...]  # label names; a label in the data is an index into them. Empty where answers are free text
    # ``train``, ``validation`` and ``test``. Each has the columns ``id`` (str, unique in the task), ``text`` (str),
    # ``text_pair`` (str, pairs only) and, called as the kind's ``target`` says, what is right: ``label`` (int),
    # ``labels`` (list of int, sorted), ``tags`` (list of int, one a word of ``text``, a class label feature that
    # knows the names), ``value`` (float), or ``answer`` (str). A row brings along what its answer is read with, so
    # that rows of several tasks can be mixed: an answer its ``metric`` (str: how it is judged) and ``max_new_tokens``
    # (int: how long one may be), a value the ``centre`` and ``spread`` (float: mean and standard deviation of the
    # training values)
    splits: Mapping[str, Dataset]
    fingerprint: str  # SHA-256 over kind, labels and every row
    origin: str  # where the data come from, for people
    license: str | None = None  # the licence of the data, where known
    hub_id: str | None = None  # the data set on the Hugging Face hub that the rows come from, where it is one
    homepage: str | None = None  # of the data, where known
    shuffled: bool = False  # whether its answers were shuffled among its texts, so that it teaches a form and no skill
    joint: bool = False  # whether its rows are those of several tasks, put together

    def is_that_of(self, adapter: TaskReference) -> bool:
        """Return whether an adapter was made for this task: by its data, or by name and labels where they are unknown.

        The data of an adapter that another program trained are unknown; these may be they, or others of the same kind.
        """
        if adapter.fingerprint:
            return self.fingerprint == adapter.fingerprint
        own, theirs = (self.name, self.kind, self.pair, {*self.labels}), {*adapter.labels}
        return own == (adapter.name, adapter.kind, adapter.pair, theirs)

    def pose(self, adapter: TaskReference) -> str:
        """Return how answers to this task differ from what an adapter with its labels gives; empty: not at all.

        Its labels may be in another order here, its numbers have another mean and spread
        (:func:`posed`). Two adapters may have equal weights, and other names for their
        rows.
        """
        same = adapter.labels == self.labels
        order = "" if same else ",".join(str(adapter.labels.index(label)) for label in self.labels)
        return order if not adapter.scale or adapter.scale == self.scale else f"{order} {adapter.scale} {self.scale}"

    @property
    def pair(self) -> bool:
        """Whether each example is a pair of texts."""
        return "text_pair" in self.splits["train"].column_names

    @property
    def metric(self) -> str | None:
        """How free answers are judged (``exact-match``, ``numeric-match`` or ``rouge-l``); None with labels."""
        metric = self._said_by_rows("metric")
        return None if metric is None else str(metric)

    @property
    def max_new_tokens(self) -> int | None:
        """How many tokens a free answer may take; None with labels."""
        tokens = self._said_by_rows("max_new_tokens")
        return None if tokens is None else int(tokens)

    @property
    def scale(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the training values; None where answers are no numbers."""
        centre, spread = self._said_by_rows("centre"), self._said_by_rows("spread")
        return None if centre is None or spread is None else (float(centre), float(spread))

    def _said_by_rows(self, column: str) -> Any:
        """Return what the rows say of all answers, by the first split that has some; None where they do not."""
        rows = next((rows for rows in self.splits.values() if len(rows)), self.splits["train"])
        return rows[column][0] if column in rows.column_names else None
