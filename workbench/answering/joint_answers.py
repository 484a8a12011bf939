"""Questions to several adapters whose answers are written in one batch; they come, and are answered, at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from adapter_workbench.workbench.answering.predictor import Answer, in_words
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE, in_places
from adapter_workbench.workbench.backbone.running_batch import OtherCacheError
from adapter_workbench.workbench.methods.answer_rows import rows_to_write
from adapter_workbench.workbench.methods.kind import Generates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.answer_rows import AnswerRow
    from adapter_workbench.workbench.methods.kind import Kind
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.running_answers import ArrangeOwners, RunningAnswers


@dataclass(eq=False)
class Writers:
    """Adapters whose answers can be written in one batch."""

    model: TaskModel  # of any of them; its kind generates
    backbone: Backbone  # of all of them
    adapters: Mapping[str, StoredAdapter]  # id → the stored adapter
    # lets each row be answered by its own adapter; None where there is but one adapter
    arrange: ArrangeOwners | None = None
    can_join: bool = True  # False once it has turned out that the model keeps something that rows cannot join

    @property
    def kind(self) -> Generates:
        return cast("Generates", self.model.kind)

    def running(self) -> RunningAnswers | None:
        """Return an empty batch of answers; None where rows cannot join what the model writes."""
        return self.kind.running(self.model, self.backbone.tokenizer, self.arrange) if self.can_join else None

    def join(self, running: RunningAnswers, rows: Sequence[AnswerRow]) -> None:
        """Let rows join a batch of these adapters; raises as :meth:`.RunningAnswers.join`."""
        try:
            running.join(rows)
        except OtherCacheError:
            self.can_join = False
            raise

    def rows(self, rows: Dataset, owners: Sequence[str]) -> list[AnswerRow]:
        """Return answers that have not begun; raises InputError where an adapter cannot read a row."""
        questions = questions_of_owners(self.kind, rows, owners, self.adapters, self.backbone.tokenizer)
        return rows_to_write(rows, questions, owners)

    def answers(self, rows: Sequence[AnswerRow]) -> list[Answer]:
        """Return answers that have ended, in words; raises AnswerError where a model computed no number."""
        return in_words(self.kind, self.kind.finished(rows, self.backbone.tokenizer), ())


class JointAnswers:
    """The batch that is being written, and which of its rows are of which question.

    A question leaves with its answers as soon as the last of them has ended.
    """

    def __init__(self, writers: Writers, running: RunningAnswers) -> None:
        """Begin without questions."""
        self._writers, self._running = writers, running
        self._open: dict[int, list[AnswerRow]] = {}
        self._results: dict[int, list[Answer] | Exception] = {}  # of those that have left, until they are fetched
        self._count = 0

    @property
    def rows(self) -> int:
        """How many answers have not ended."""
        return self._running.unfinished

    @property
    def is_empty(self) -> bool:
        """Whether all questions have got their answers."""
        return not self._open and not self._results

    def join(self, questions: Mapping[int, tuple[Dataset, Sequence[str]]]) -> None:
        """Read questions, and write the first token of their answers; one that cannot be read gets an error as result.

        Args:
            questions: by number: rows, and the id of the adapter that answers each.

        Raises:
            OtherCacheError: nothing can join where this model writes.
            UnmixableError: rows of these adapters cannot be in one batch.
        """
        newcomers: dict[int, list[AnswerRow]] = {}
        for number, (rows, owners) in questions.items():
            try:
                newcomers[number] = self._writers.rows(rows, owners)
            except Exception as error:  # it is that question's own, and the others go on
                self._results[number] = error
        if newcomers:
            self._writers.join(self._running, [row for rows in newcomers.values() for row in rows])
            self._open |= newcomers
            self._count += len(newcomers)

    def write(self, pause: Callable[[], bool]) -> dict[int, list[Answer] | Exception]:
        """Write until a question has got its answers, or ``pause`` says so after a token; return what there is.

        As long as there has been but one question, its rows stay to the end, and all numbers are those that it gets by
        itself, bit for bit.
        """
        if not self._results and not self._answered:
            self._running.write(lambda: bool(self._answered) or pause(), leave=self._count > 1)
        for number in self._answered:
            self._results[number] = self._result(self._open.pop(number))
        results, self._results = self._results, {}
        return results

    @property
    def _answered(self) -> list[int]:
        return [number for number, rows in self._open.items() if all(row.ended for row in rows)]

    def _result(self, rows: Sequence[AnswerRow]) -> list[Answer] | Exception:
        try:
            return self._writers.answers(rows)
        except Exception as error:
            return error


def written_together(writers: Writers, rows: Dataset, owners: Sequence[str]) -> list[Answer] | None:
    """Return the answer of the adapter ``owners[i]`` to row i; None where the model writes in no such batch."""
    if (running := writers.running()) is None:
        return None
    answers = writers.rows(rows, owners)
    by_length = sorted(answers, key=lambda row: -len(row.question["input_ids"]))
    try:
        for start in range(0, len(answers), BATCH_SIZE):
            writers.join(running, by_length[start : start + BATCH_SIZE])
            running.write(lambda: False, leave=True)
    except OtherCacheError:
        return None
    return writers.answers(answers)


def questions_of_owners(
    kind: Kind,
    rows: Dataset,
    owners: Sequence[str],
    adapters: Mapping[str, StoredAdapter],
    tokenizer: PreTrainedTokenizerBase,
) -> list[dict[str, Any]]:
    """Return the model's inputs for each row, not padded; each is as long as the budget of its own adapter allows.

    Raises:
        InputError: an adapter cannot read a row.
    """
    limits = [adapters[owner].manifest.budget.max_length for owner in owners]
    return in_places(limits, lambda limit, own: kind.questions(rows.select(own), tokenizer, limit))
