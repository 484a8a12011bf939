"""The order of an adapter's labels that scores highest on validation rows of its task, beside the next best order.

An order says which label each output stands for. How many answers are right under an order is a sum over its pairs of
output and label, so that the best order is the solution of a linear assignment problem (Kuhn 1955). The next best one
lacks at least one pair of the best: it is the best of those orders that lack the first pair, the second, and so on
(Murty 1968, doi:10.1287/opre.16.3.682).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.answers.label_order import MOST_NAMED, listed
from adapter_workbench.experiments.reporting.label_table import percent
from adapter_workbench.experiments.reporting.wording import probability
from adapter_workbench.workbench.answering.elsewhere.whole_model import SentModel
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.answering.elsewhere.taking_in import ImportDetails
    from adapter_workbench.workbench.methods.task import Task

LEVEL = 0.05  # a best order whose p is not below it is not decided
MOST_ROWS = 1000  # of the validation split, evenly spaced
UNITS = {"classification": "rows", "multilabel": "labels of rows", "token-classification": "words"}


@dataclass(frozen=True)
class Answers:
    """What outputs were given and what was right, for each unit that is counted: a row, a word, a label of a row."""

    output: NDArray[np.int64]  # index of the output that was given, or that said yes or no
    right: NDArray[np.bool_]  # for each unit whether it is right that this output stands for each label (units, labels)
    row: NDArray[np.int64]  # in which row each unit stands
    rows: int  # how many rows there are
    without: tuple[int, ...] = ()  # labels that no row has

    def counts(self) -> NDArray[np.int64]:
        """Return how many units are right if an output stands for a label (outputs, labels)."""
        total = np.zeros((self.right.shape[1],) * 2, dtype=np.int64)
        np.add.at(total, self.output, self.right.astype(np.int64))
        return total

    def hits(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each row how many of its units are right under an order: output → label."""
        right = self.right[np.arange(len(self.output)), order[self.output]]
        return np.bincount(self.row, weights=right, minlength=self.rows).astype(np.int64)


@dataclass(frozen=True)
class FoundOrder:
    """The best order, and the next best one."""

    task: str  # whose validation rows were answered
    order: tuple[str, ...]  # the labels in the order of the outputs that scores highest
    runner_up: tuple[str, ...]  # those of the next best order
    right: int  # how many units are right under the best order
    runner_up_right: int  # how many under the next best
    units: int  # how many there are
    unit: str  # what is counted: ``rows``, ``words``, ``labels of rows``
    rows: int  # how many rows were answered
    better: int  # rows in which the best order has more right than the next best
    worse: int  # rows in which it has fewer
    p: float  # of the exact test whether these two are equally many
    without: tuple[str, ...] = ()  # labels that no row has

    @property
    def is_decided(self) -> bool:
        """Whether the best order is above the next best."""
        return self.p < LEVEL

    def __str__(self) -> str:
        """Return both orders with their scores, in one sentence."""
        best, other = _shown(self.order, self.runner_up), _shown(self.runner_up, self.order)
        counted, test = ("", "McNemar") if self.unit == "rows" else (f" {self.unit}", "sign")
        return (
            f"{best} has {self.right:,} of {self.units:,}{counted} right ({self._percent(self.right)}), "
            f"the next best, {other}, {self.runner_up_right:,} ({self._percent(self.runner_up_right)}); "
            f"exact {test} test on {self.rows:,} validation rows of {self.task}, {probability(self.p, LEVEL)}"
        )

    def _percent(self, count: int) -> str:
        return percent(count / self.units if self.units else None)

    def as_json(self) -> dict[str, Any]:
        """Return the part of `adapters import --json` about it."""
        return {
            "task": self.task,
            "rows": self.rows,
            "counted": self.unit,
            "of": self.units,
            "order": list(self.order),
            "right": self.right,
            "runner_up": {"order": list(self.runner_up), "right": self.runner_up_right},
            "better_in": self.better,
            "worse_in": self.worse,
            "p": self.p,
            "level": LEVEL,
            "decided": self.is_decided,
            "labels_without_rows": list(self.without),
        }


class UndecidedOrderError(InputError):
    """No order of the labels is above all others; ``orders`` has the two best."""

    def __init__(self, orders: FoundOrder, where: str) -> None:
        """Name both orders, their scores, and what to do."""
        self.orders = orders
        lacking = f" No validation row has the label {listed(orders.without)}." if orders.without else ""
        hint = (
            f"Name the labels in the order of its numbers (--labels NAME,NAME,…), or use more validation rows.{lacking}"
        )
        super().__init__(f"the order of the labels is not decided: {orders}", where=where, hint=hint)


def found_order(sent: SentFolder, details: ImportDetails, task: Task, source: Source) -> FoundOrder:
    """Return the order that scores highest on at most 1,000 validation rows of a task; the test split is not read.

    Args:
        sent: what lies in the folder.
        details: of the import; its labels are in any order.
        task: that the adapter answers.
        source: the folder and what is said of it.

    Raises:
        UndecidedOrderError: the next best order may be as good.
        InputError: its answers are not labels, or its head has another number of them.
    """
    outputs = sent.outputs(details.backbone, task.kind)
    where = source.at("labels")
    if outputs is None or task.kind not in UNITS:
        message = f"{task.name} is {task.kind}: its answers have no labels whose order could be found"
        raise InputError(message, where=where, hint="Leave --labels out.")
    if outputs != len(task.labels):
        message = f"its head has {outputs} labels, and {task.name} has {len(task.labels)}: {listed(task.labels)}"
        raise InputError(message, where=where, hint="--task names the task that it answers.")
    if outputs < 2:
        raise InputError(f"{task.name} has one label, which has no order", where=where, hint="Leave --labels out.")
    answers = _answers(sent, details, task)
    orders = best_orders(answers, task.labels, task.name, UNITS[task.kind])
    if not orders.is_decided:
        raise UndecidedOrderError(orders, where)
    return orders


def best_orders(answers: Answers, labels: Sequence[str], task: str, unit: str = "rows") -> FoundOrder:
    """Return the best order and the next best one, exactly, with the test of one against the other."""
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import binomtest

    counts = answers.counts()
    best: NDArray[np.int64] = linear_sum_assignment(counts, maximize=True)[1]
    others = []
    for output, label in enumerate(best):
        allowed = counts.astype(np.float64)
        allowed[output, label] = -1.0 - counts.sum()  # worse than anything else together
        order: NDArray[np.int64] = linear_sum_assignment(allowed, maximize=True)[1]
        others.append((int(counts[np.arange(len(best)), order].sum()), order))
    second = max(others, key=lambda other: other[0])[1]
    first_hits, second_hits = answers.hits(best), answers.hits(second)
    better, worse = int((first_hits > second_hits).sum()), int((first_hits < second_hits).sum())
    return FoundOrder(
        task=task,
        order=tuple(labels[label] for label in best),
        runner_up=tuple(labels[label] for label in second),
        right=int(first_hits.sum()),
        runner_up_right=int(second_hits.sum()),
        units=len(answers.output),
        unit=unit,
        rows=answers.rows,
        better=better,
        worse=worse,
        p=float(binomtest(better, better + worse).pvalue) if better + worse else 1.0,
        without=tuple(labels[label] for label in answers.without),
    )


def _answers(sent: SentFolder, details: ImportDetails, task: Task) -> Answers:
    """Return what an adapter answers to the validation rows; it is taken into a store that is thrown away.

    The files of a whole model are not copied for that.
    """
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.answering.elsewhere.taking_in import take_in
    from adapter_workbench.workbench.machine.sharding import apart_for_answers
    from adapter_workbench.workbench.methods.stored_model import open_adapter

    split = task.splits["validation"]
    rows = split.select(range(0, len(split), 1 + (len(split) - 1) // MOST_ROWS))
    with scratch_folder() as scratch:
        anyhow = replace(details, order=task.labels, name=None)
        in_place = replace(sent, link=True) if isinstance(sent, SentModel) else sent
        stored, _ = take_in(in_place, anyhow, AdapterStore(scratch / "adapters"))
        model = open_adapter(stored, details.backbone)
        with apart_for_answers(model) as asked:
            length = stored.manifest.budget.max_length
            answers = model.kind.answers(asked, rows, details.backbone.tokenizer, length)
    return _READERS[task.kind](answers, rows, len(task.labels))


def of_classes(logits: NDArray[np.float32], rows: Any, labels: int) -> Answers:
    """Return the answers of a classification: an output and a label a row."""
    right = np.asarray(rows["label"][:])
    return Answers(logits.argmax(axis=1), np.eye(labels, dtype=bool)[right], np.arange(len(right)), len(right),
                   _without(right, labels))  # fmt: skip


def of_sets(logits: NDArray[np.float32], rows: Any, labels: int) -> Answers:
    """Return the answers of a multilabel task: each output of each row says yes or no."""
    listed_labels = rows["labels"][:]
    wanted = np.zeros((len(listed_labels), labels), dtype=bool)
    for number, row_labels in enumerate(listed_labels):
        wanted[number, row_labels] = True
    answered = logits > 0
    units, outputs = np.divmod(np.arange(answered.size), labels)
    right = answered.reshape(-1, 1) == wanted[units]
    return Answers(outputs, right, units, len(wanted), tuple(np.flatnonzero(~wanted.any(axis=0)).tolist()))


def of_words(answers: Sequence[Any], rows: Any, labels: int) -> Answers:
    """Return the answers of a token-classification: an output and a tag a word, without words that were cut off."""
    outputs: list[int] = []
    tags: list[int] = []
    numbers: list[int] = []
    for number, (answer, wanted) in enumerate(zip(answers, rows["tags"][:], strict=True)):
        seen = np.isfinite(answer.logits).all(axis=1)
        outputs += answer.logits[seen].argmax(axis=1).tolist()
        tags += np.asarray(wanted)[seen].tolist()
        numbers += [number] * int(seen.sum())
    right = np.asarray(tags, dtype=np.int64)
    return Answers(np.asarray(outputs, dtype=np.int64), np.eye(labels, dtype=bool)[right],
                   np.asarray(numbers, dtype=np.int64), len(answers), _without(right, labels))  # fmt: skip


_READERS: Mapping[str, Callable[[Any, Any, int], Answers]] = {
    "classification": of_classes,
    "multilabel": of_sets,
    "token-classification": of_words,
}


def _without(right: NDArray[np.int64], labels: int) -> tuple[int, ...]:
    return tuple(sorted({*range(labels)} - {*right.tolist()}))


def _shown(order: Sequence[str], other: Sequence[str]) -> str:
    """Return an order; of a long one only where it differs from the other, with the numbers of the outputs from 0."""
    if len(order) <= MOST_NAMED:
        return ",".join(order)
    differing = [f"{number}: {label}" for number, label in enumerate(order) if label != other[number]]
    return f"the order with {listed(differing)}"
