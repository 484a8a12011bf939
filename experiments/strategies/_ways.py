"""The ways in which checkpoints answer a task. One is chosen for each task, and is the same at all checkpoints."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from adapter_workbench.workbench.answering.harness.questions import HarnessQuestions, HarnessTask, most_shots
from adapter_workbench.workbench.answering.label_likelihood import TEXT, LabelLikelihood
from adapter_workbench.workbench.backbone.prompts import NEW_TOKENS
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.kind import Kind
    from adapter_workbench.workbench.methods.task import Task

Way = Literal["generated", "likelihood", "likelihood per character", "harness", "own head", "fitted head"]
FITTABLE = "classification"  # the kind whose heads are fitted in closed form, and whose labels can be continuations
SPOKEN = ("generated", "likelihood", "likelihood per character", "harness")  # by the model's own output layer
CONTINUED = "causal-lm"  # the kind of a task whose answer continues a prompt
LIKELY: Mapping[str, Way] = {"likelihood": "likelihood", "likelihood-per-character": "likelihood per character"}
QUESTION = "{text}\n\nWhich of these is it: {labels}?"
PAIRED_QUESTION = "{text}\n{text_pair}\n\nWhich of these is it: {labels}?"
DRAW = 0  # of the examples that are shown: the same for every seed, as their checkpoints are compared


class AnswerSettings(Settings):
    """How a causal language model is asked."""

    labels: Literal["head", "likelihood", "likelihood-per-character"] = Field(
        "head",
        description="how a classification is answered. head: by heads that came with the checkpoints, else by fitted "
        "ones. likelihood: by the label that the language model holds to be the most likely continuation (acc of "
        "EleutherAI's harness); likelihood-per-character: divided by the label's length (acc_norm there)",
        exclude_if=lambda chosen: chosen == "head",
    )
    prompt: str | dict[str, str] = Field(
        "",
        description="with labels: likelihood, what is asked: a text with {text}, {text_pair} and {labels}, or task → "
        "such a text; if left out, which of the labels it is",
        exclude_if=lambda chosen: not chosen,
    )
    shots: int = Field(
        0,
        ge=0,
        le=1000,
        description="solved training examples before every question to a causal language model",
        exclude_if=lambda chosen: not chosen,
    )

    @field_validator("prompt")
    @classmethod
    def _says_the_text(cls, prompt: str | dict[str, str]) -> str | dict[str, str]:
        for question in [prompt] if isinstance(prompt, str) else prompt.values():
            if question and TEXT not in question:
                raise ValueError(f"a prompt needs the place {TEXT}, where the text stands")
        return prompt

    def question(self, task: Task) -> str:
        """Return what is asked about each text of a task."""
        own = self.prompt if isinstance(self.prompt, str) else self.prompt.get(task.name, "")
        return own or (PAIRED_QUESTION if task.pair else QUESTION)


def spoken_kind(way: Way, task: Task, settings: AnswerSettings) -> Kind:
    """Return what puts a task's questions to a language model and judges its answers, in a way of ``SPOKEN``."""
    spoken: Any = KINDS.get(task.kind)
    shown = [] if isinstance(task, HarnessTask) else shown_rows(task, settings.shots)
    if isinstance(task, HarnessTask):
        spoken = HarnessQuestions(task=task, shots=settings.shots or None)
    elif way != "generated":
        labelled = tuple((text, pair, task.labels[label]) for text, pair, label in shown)
        per_character = way == LIKELY["likelihood-per-character"]
        spoken = LabelLikelihood(task.labels, settings.question(task), labelled, per_character)
    elif shown:
        spoken = replace(spoken, demonstrations=tuple((text, answer) for text, _, answer in shown))
    answering: Kind = spoken
    return answering


def asked(way: Way, task: Task, settings: AnswerSettings) -> list[Any]:
    """Return, as plain data, what an answer depends on beside weights and rows; empty where it is nothing."""
    if way not in SPOKEN:
        return []
    if way == "generated" and not settings.shots:
        return []
    if way == "harness":  # what it asks is in the task's fingerprint, but for how many solved examples
        return [way, settings.shots]
    question = settings.question(task) if way in LIKELY.values() else ""
    return [way, question, [*map(list, shown_rows(task, settings.shots))]]


def shown_rows(task: Task, shots: int) -> list[tuple[str, str | None, Any]]:
    """Return so many training rows as text, second text or None, and what is right."""
    rows = task.splits["train"]
    drawn = rows.select(random.Random(DRAW).sample(range(len(rows)), shots)) if shots else rows.select([])
    pairs = drawn["text_pair"][:] if task.pair else [None] * len(drawn)
    return [*zip(drawn["text"][:], pairs, drawn[KINDS.get(task.kind).target][:], strict=True)]


def require_speaking(
    settings: AnswerSettings, ways: Mapping[str, Way], tasks: Mapping[str, Task], causal: bool
) -> None:
    """Make sure that what an entry says about questions has a meaning for its tasks.

    Raises:
        InputError: it has none: the model is not a causal language model, a head answers, or there are too few rows.
    """
    if not causal and (settings.shots or settings.labels != "head"):
        key = "shots" if settings.shots else "labels"
        hint = f"Leave {key!r} out: an encoder is measured by heads."
        raise InputError(f"{key}: only a causal language model goes on from a prompt", hint=hint)
    if settings.prompt and not {*ways.values()} & {*LIKELY.values()}:
        hint = "Set labels: likelihood, or leave 'prompt' out."
        raise InputError("prompt: no task is answered by the likelihood of labels", hint=hint)
    if isinstance(settings.prompt, dict) and (unknown := {*settings.prompt} - {*ways}):
        raise InputError(f"prompt: {min(unknown)!r} is not a task of this recipe", hint=f"Tasks: {', '.join(ways)}.")
    for name, way in ways.items() if settings.shots else ():
        _require_examples(tasks[name], way, settings.shots)


def require_room(
    task: Task, settings: AnswerSettings, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    """Make sure that solved examples of a generated task stay in its prompts: long ones are cut at their beginning.

    Args:
        task: of the stream.
        settings: of the entry.
        rows: that are asked.
        tokenizer: of the base model.
        max_length: tokens of a prompt with its answer.

    Raises:
        InputError: they do not fit.
    """
    if not settings.shots or isinstance(task, HarnessTask) or task.kind != CONTINUED:
        return
    kind = spoken_kind("generated", task, settings)
    needed = max(kind.lengths(rows, tokenizer)[0]) + (task.max_new_tokens or NEW_TOKENS)
    if needed > max_length:
        message = (
            f"{settings.shots} solved examples, a question and its answer take up to {needed} tokens of {task.name!r}, "
            f"and max_length is {max_length}"
        )
        raise InputError(message, hint=f"Raise it (--set budget.max_length={needed}), or show fewer (--shots …).")


def _require_examples(task: Task, way: Way, shots: int) -> None:
    if way not in SPOKEN:
        hint = "Set labels: likelihood (--labels likelihood), or leave the task or 'shots' out."
        raise InputError(f"shots: {task.name} is answered by a head, which reads no solved examples", hint=hint)
    if way == "generated" and task.kind != CONTINUED:
        hint = "Leave the task or 'shots' out."
        raise InputError(f"shots: only {CONTINUED} tasks show solved examples; {task.name} is {task.kind}", hint=hint)
    rows = most_shots(task) if isinstance(task, HarnessTask) else len(task.splits["train"])
    if shots > rows:
        hint = f"Lower it (--shots {rows}), or leave the task out."
        raise InputError(f"{shots} shots, but {task.name!r} has {rows} training rows", hint=hint)


def way_of(task: Task, settings: AnswerSettings, heads_came: bool) -> Way | None:
    """Return how a task is answered at all stages; None where it cannot be.

    Args:
        task: of the stream.
        settings: of the entry.
        heads_came: whether each checkpoint brings a head for the task.
    """
    if isinstance(task, HarnessTask):
        return "harness"
    if task.kind in GENERATED:
        return "generated"
    if task.kind == FITTABLE and settings.labels in LIKELY:
        return LIKELY[settings.labels]
    if heads_came:
        return "own head"
    return "fitted head" if task.kind == FITTABLE else None
