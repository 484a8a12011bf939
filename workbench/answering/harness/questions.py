"""A task of the harness as a task here: its questions are rows, and each row has the harness's own score."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.answering.harness.task_files import whole_path
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.extras import installed_version, require_installed
from adapter_workbench.workbench.methods.kinds.causal_lm import CausalLM
from adapter_workbench.workbench.methods.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network

PACKAGE = "lm-eval"
KIND = "causal-lm"  # what such a task is here: a language model goes on from a text
SEED = 0  # of solved examples: the same at all checkpoints
NORMALISED = "acc_norm"


@dataclass(frozen=True)
class HarnessTask(Task):
    """A task of the harness; nothing can be trained on it, and its splits are the same rows."""

    named: tuple[str, ...] = ()  # all names and paths of task files with which it is loaded
    scored_by: str = ""  # the harness's metric that scores a row


@dataclass(frozen=True)
class HarnessAnswer:
    """What the harness made of one question."""

    text: str  # what the model said or chose
    score: float  # by the task's metric, in [0, 1]
    likely: tuple[float, ...] = ()  # log-likelihoods of the choices, or nothing
    right: int | None = None  # which of the choices is right; None where that is not one of them


@dataclass(frozen=True)
class HarnessQuestions(CausalLM):
    """Puts a task's questions to a model as the harness does, after so many solved examples.

    ``max_length`` is not read: the harness cuts at what the model reads.
    """

    task: HarnessTask | None = None  # whose questions; None leaves its rows to ``causal-lm``
    shots: int | None = None  # solved examples; None: the task's own number

    def answers(self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Any:
        """Return a :class:`HarnessAnswer` for each row.

        Raises:
            InputError: the task cannot be loaded any more, or an answer may take more tokens than the model reads.
        """
        from adapter_workbench.workbench.answering.harness.language_model import AdaptedLM
        from adapter_workbench.workbench.answering.harness.loading import load_tasks, single_scores

        assert self.task is not None
        asked: Any = model
        tasks, lm = load_tasks(self.task.named, self.shots), AdaptedLM(asked, tokenizer, BATCH_SIZE)
        samples = single_scores(lm, tasks, self.task.name, [int(row) for row in rows["id"][:]], SEED)
        return [_answer(sample, self.task.scored_by) for sample in samples]

    def digest(self, answers: Sequence[Any]) -> str:
        """Return the SHA-256 of what was said, its scores and likelihoods."""
        return hashlib.sha256(repr(answers).encode()).hexdigest()

    def outcomes(self, rows: Dataset, answers: Sequence[Any]) -> pd.DataFrame:
        """Return one row per question; ``log_likelihood`` and ``confidence`` are of choices, NaN without."""
        import pandas as pd

        scores = np.array([answer.score for answer in answers], dtype=float)
        chances = [_log_chances(answer.likely) for answer in answers]
        rights = [
            float(own[answer.right]) if answer.right is not None and len(own) else np.nan
            for own, answer in zip(chances, answers, strict=True)
        ]
        return pd.DataFrame(
            {
                "id": rows["id"][:],
                "answer": rows["answer"][:],
                "prediction": [answer.text for answer in answers],
                "score": scores,
                "correct": scores == 1.0,
                "confidence": [float(np.exp(own.max())) if len(own) else np.nan for own in chances],
                "log_likelihood": rights,
            }
        )

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return ``score``, the mean of the harness's own scores."""
        return {"score": float(outcomes["score"].mean())}


def harness_tasks(named: Sequence[str]) -> list[HarnessTask]:
    """Return the tasks that names of the harness (tasks, groups, tags) and paths of task files stand for.

    Raises:
        InputError: the package is not installed, there is no such task, its rows cannot be had, or it is scored in no
            way that gives each row a number.
    """
    require_installed(PACKAGE, "lm-eval, for tasks of EleutherAI's harness,")
    from adapter_workbench.workbench.answering.harness.loading import identity, load_tasks

    named = tuple(map(whole_path, named))
    tasks, version = load_tasks(named, None), installed_version(PACKAGE)
    measured = {name: _scored_by(name, task) for name, task in tasks["tasks"].items()}
    return [
        HarnessTask(
            name=name,
            kind=KIND,
            labels=(),
            splits=_splits(task),
            fingerprint=key([PACKAGE, version, measured[name], *identity({"tasks": {name: task}}, None)]),
            origin=f"EleutherAI's evaluation harness, lm-eval {version}, task {name}, scored by {measured[name]}",
            named=named,
            scored_by=measured[name],
        )
        for name, task in tasks["tasks"].items()
    ]


def most_shots(task: HarnessTask) -> int:
    """Return how many solved examples a task of the harness has to show."""
    from adapter_workbench.workbench.answering.harness.loading import load_tasks, shown_examples

    return shown_examples(load_tasks(task.named, None)["tasks"][task.name])


def _scored_by(name: str, task: Any) -> str:
    """Return the metric that scores a row: ``acc_norm`` where the task has it, else its first that is a mean."""
    from lm_eval.api.metrics import mean

    better: Mapping[str, bool] = task.higher_is_better()
    means = [metric for metric, how in task.aggregation().items() if how is mean and better.get(metric)]
    if not means:
        message = f"lm-eval's task {name} gives no score to a single question: {', '.join(task.aggregation())}"
        raise InputError(message, hint="Measure it by the probe lm-eval, which needs none.")
    return NORMALISED if NORMALISED in means else means[0]


def _splits(task: Any) -> dict[str, Any]:
    """Return the questions as rows; nothing is trained on them, so that all splits are these."""
    from datasets import Dataset

    from adapter_workbench.workbench.answering.harness.loading import questions_and_answers

    pairs = questions_and_answers(task)
    columns = {
        "id": [str(number) for number in range(len(pairs))],
        "text": [question for question, _ in pairs],
        "answer": [answer for _, answer in pairs],
        "metric": ["exact-match"] * len(pairs),
    }
    rows = Dataset.from_dict(columns)
    return {"train": rows, "validation": rows, "test": rows}


def _answer(sample: Mapping[str, Any], metric: str) -> HarnessAnswer:
    value = sample[metric]
    if not isinstance(value, Real):
        raise InputError(f"lm-eval's metric {metric} gives no number to a single question: {value!r}")
    responses, target = sample["filtered_resps"], sample["target"]
    if all(isinstance(response, tuple) for response in responses):  # log-likelihood, and whether it is greedy
        likely = tuple(float(response[0]) for response in responses)
        right = target if isinstance(target, int) and 0 <= target < len(likely) else None
        chosen = str(sample["arguments"][int(np.argmax(likely))][1]).strip()
        return HarnessAnswer(chosen, float(value), likely, right)
    return HarnessAnswer(str(responses[0] if responses else ""), float(value))


def _log_chances(likely: Sequence[float]) -> Any:
    """Return the log-probability of each choice among all of them; empty for one or none."""
    values = np.array(likely, dtype=float)
    return values - np.logaddexp.reduce(values) if len(values) > 1 else values[:0]
