"""How well an adapter answers labelled rows, as tables in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.label_table import in_words, percent
from adapter_workbench.experiments.reporting.wording import (
    DASH,
    MOST_NAMED,
    NO_SHARES,
    decimal,
    may_have_seen,
    number,
    plural,
    score,
    some,
)
from adapter_workbench.experiments.terminal.output import shortened, stdout, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.answers.evaluated import Evaluated, JudgedRow
    from adapter_workbench.workbench.measures.statistics import Interval

MOST_LABELS = 20  # in the table of labels; of more, the worst are shown
MATRIX = 8  # labels at most whose confusion matrix is printed whole; of more, the commonest confusions are
CONFUSIONS = 10
NAME = 24  # characters of a label in a confusion


def print_evaluated(evaluated: Evaluated, most: int) -> None:
    """Print everything, with ``most`` wrong answers."""
    judged = f"{len(evaluated.rows):,} of {plural(evaluated.total, 'row')}"
    stdout.print(f"{evaluated.adapter}, task {evaluated.task.name}: {judged} judged")
    if evaluated.left_out.rows:
        stdout.print(f"Left out: {'; '.join(evaluated.left_out.reasons)}.")
    if evaluated.may_have_seen:
        stdout.print(may_have_seen())
    stdout.print()
    rows = [
        (name.replace("_", " "), _score(name, value), _bounds(name, value)) for name, value in evaluated.scores.items()
    ]
    table(["", "score", "95 % interval"], rows)
    if evaluated.labels is not None:
        _print_labels(evaluated)
    if evaluated.confusion is not None:
        _print_confusion(evaluated)
    _print_wrong(evaluated, most)


def _score(name: str, value: Interval) -> str:
    return DASH if value.mean is None else score(name, value.mean)


def _bounds(name: str, value: Interval) -> str:
    if value.low is None or value.high is None:
        return DASH
    if name in NO_SHARES:
        return f"[{decimal(value.low, 3)}, {decimal(value.high, 3)}]"
    return f"[{number(value.low)}, {number(value.high)}]"


def _print_labels(evaluated: Evaluated) -> None:
    labels, title = list(evaluated.labels or ()), "Labels"
    if len(labels) > MOST_LABELS:
        there = sorted((label for label in labels if label.count), key=lambda label: label.f1 or 0.0)
        which = f"the {MOST_LABELS} worst of {len(there):,}" if len(there) > MOST_LABELS else f"the {len(there)}"
        title = f"Labels: {which} in the file; --json has all {len(labels):,}"
        labels = there[:MOST_LABELS]
    rows = [
        [
            shortened(label.label),
            percent(label.precision),
            percent(label.recall),
            percent(label.f1),
            label.count,
            label.given,
        ]
        for label in labels
    ]
    stdout.print()
    table(["label", "precision", "recall", "F1", "there", "given"], rows, title)
    if worst := evaluated.worst_label:
        stdout.print(f"Worst label: {in_words(worst)}.")
    if absent := [label.label for label in evaluated.labels or () if label.given and not label.count]:
        named = some([shortened(label) for label in absent], MOST_NAMED)
        stdout.print(f"Given, but not in the file, so 0 % in macro F1: {named}.")


def _print_confusion(evaluated: Evaluated) -> None:
    names, counts = [_short(label) for label in evaluated.task.labels], evaluated.confusion or ()
    stdout.print()
    if len(names) <= MATRIX:
        rows = [[name, *row] for name, row in zip(names, counts, strict=True)]
        table(["right ↓  answer →", *names], rows, "Confusion matrix")
        return
    pairs = [
        (count, right, given)
        for right, row in enumerate(counts)
        for given, count in enumerate(row)
        if count and right != given
    ]
    if not pairs:
        stdout.print("No label was taken for another.")
        return
    pairs.sort(key=lambda pair: -pair[0])
    title = f"Confusions: the {CONFUSIONS} commonest of {len(pairs):,}; --json has all"
    shown = [[names[right], names[given], count] for count, right, given in pairs[:CONFUSIONS]]
    table(["right", "answer", "rows"], shown, "Confusions" if len(pairs) <= CONFUSIONS else title)


def _print_wrong(evaluated: Evaluated, most: int) -> None:
    wrong = evaluated.wrong
    if not wrong or not most:
        return
    number_like = wrong[0].error is not None
    first = "Largest errors" if number_like else f"Wrong answers{_order(wrong)}"
    more = f": {most:,} of {len(wrong):,}" if len(wrong) > most else ""
    stdout.print()
    last = "error" if number_like else "confidence"
    table(
        ["row", "right", "answer", last, "text"],
        [_line(row, evaluated.task.kind) for row in wrong[:most]],
        f"{first}{more}",
    )


def _order(wrong: Sequence[JudgedRow]) -> str:
    """Return by what :attr:`Evaluated.wrong` puts them in order, for a title; nothing if by nothing."""
    if any(row.score for row in wrong):
        return ", the lowest scores first"
    return ", the surest first" if any(row.confidence is not None for row in wrong) else ""


def _line(row: JudgedRow, kind: str) -> list[object]:
    sure = row.error if row.error is not None else row.confidence
    text = row.text if row.text_pair is None else f"{row.text} | {row.text_pair}"
    return [
        row.row,
        _words(row.right, kind),
        _words(row.value, kind),
        DASH if sure is None else f"{sure:.3f}",
        shortened(text),
    ]


def _words(value: Any, kind: str) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    between = " " if kind == "token-classification" else ", "
    return shortened(between.join(value) if isinstance(value, list) else value)


def _short(label: str) -> str:
    line = " ".join(label.split())
    return line if len(line) <= NAME else f"{line[: NAME - 1]}…"
