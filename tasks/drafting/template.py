"""The lines of a drafted task file, with comments on what may be changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from adapter_workbench.tasks.reading.raw_values import are_whole, by_size
from adapter_workbench.tasks.rows.label_sets import SEPARATOR
from adapter_workbench.tasks.task_file.task_file import METRIC, NEW_TOKENS
from adapter_workbench.workbench.errors.printable import printable
from adapter_workbench.workbench.measures.text_scores import last_number
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.settings import yaml_text

if TYPE_CHECKING:
    from adapter_workbench.tasks.drafting.guess import Guess

SENTENCE_WORDS = 8  # half of the answers have more: sentences
NUMBER_WORDS = 3  # "about 12 km" is a number, a sum worked out in words is not


def template(
    origin: str, description: str, source: Iterable[str], columns: Guess, values: Sequence[str], splits: set[str]
) -> str:
    """Return the YAML of a task.

    Args:
        origin: where the data were found.
        description: one line for people.
        source: the lines that name the source.
        columns: which column plays which part.
        values: the distinct labels, tags or answers.
        splits: the splits that the source has.
    """
    lines = [f"# Drafted from {printable(origin)}; every line may be changed.", f"description: {quote(description)}"]
    lines += [f"kind: {columns.kind} # or {', '.join(name for name in KINDS.names() if name != columns.kind)}"]
    lines += [*source, *_columns(columns), *_answer_lines(columns, values), *_cuts(splits)]
    return "\n".join([*lines, "# license:", "# homepage:"]) + "\n"


def _columns(columns: Guess) -> list[str]:
    tagged = columns.kind == "token-classification"
    several = "" if tagged else " # a list of columns is joined: [title, body]"
    lines = [
        "columns:",
        f"  text: {quote(columns.text)}{' # words parted by white space, or a list' if tagged else several}",
    ]
    if columns.text_pair:
        lines.append(f"  text_pair: {quote(columns.text_pair)}")
    if columns.answer:
        return [*lines, f"  answer: {quote(columns.answer)}"]
    if len(columns.label) > 1:
        return [
            *lines,
            "  label: # columns of 1 and 0, one for each label",
            *(f"    - {quote(name)}" for name in columns.label),
        ]
    lines.append(f"  label: {quote(columns.label[0])}{' # one tag for each word' if tagged else ''}")
    if columns.kind == "multilabel":
        lines.append(f"  separator: {quote(columns.separator or SEPARATOR)} # between labels that stand in one string")
    return lines


def _answer_lines(columns: Guess, values: Sequence[str]) -> list[str]:
    if columns.kind in GENERATED:
        return _metric_lines(values)
    return [] if KINDS.get(columns.kind).target == "value" else _labels(columns.label, values)


def _metric_lines(answers: Sequence[str]) -> list[str]:
    """Return the lines on scoring: numbers as numbers, sentences by ROUGE-L, short texts by exact match."""
    words = sorted(len(answer.split()) for answer in answers)
    if not answers:
        metric = METRIC
    elif all(last_number(answer) is not None for answer in answers) and words[-1] <= NUMBER_WORDS:
        metric = "numeric-match"
    else:
        metric = "rouge-l" if words[len(words) // 2] > SENTENCE_WORDS else "exact-match"
    new_tokens = max(len(answer) for answer in answers) // 2 + 4 if answers else NEW_TOKENS
    return [
        f"metric: {metric} # or exact-match, numeric-match (the last number of the text), rouge-l",
        f"max_new_tokens: {new_tokens} # of an answer; `workbench tasks check --backbone` counts what is cut",
    ]


def _labels(columns: Sequence[str], values: Sequence[str]) -> list[str]:
    names = list(columns) if len(columns) > 1 else by_size(list(values))
    if are_whole(names):
        lines = [f"  {quote(name)}: {quote(name)}" for name in names]
        return ["labels: # raw value: the name that reports show", *lines]
    return ["labels: # their order is the order of the classes", *(f"  - {quote(name)}" for name in names)]


def _cuts(given: set[str]) -> list[str]:
    cut = {split: share for split, share in (("validation", 0.1), ("test", 0.2)) if split not in given}
    if not cut:
        return []
    lines = [f"  {split}: {share} # share of the training rows, cut off" for split, share in cut.items()]
    return ["splits:", *lines, "  seed: 0"]


def quote(value: str) -> str:
    """Return ``value`` so that YAML reads it as this string."""
    text = yaml_text.text_of(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("...\n").strip("\n")
