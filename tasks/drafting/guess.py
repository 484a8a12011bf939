"""Which column is the text and what is asked for: a guess by names and values, for a person to correct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.rows.column_traits import Traits, traits_of
from adapter_workbench.tasks.rows.targets import Target, free_answers, plain_name, target_of_columns, targets
from adapter_workbench.workbench.errors import InputError, suggest
from adapter_workbench.workbench.errors.printable import printable
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    import pandas as pd

PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "answer"),
    ("query", "passage"),
    ("text1", "text2"),
    ("text_a", "text_b"),
)
NEARLY = 0.5  # a column of texts this long, against the longest, may be the text just as well


@dataclass(frozen=True)
class GivenColumns:
    """The columns that a user named; None (or no label) leaves the choice to the guess."""

    kind: str | None = None
    text: str | None = None
    text_pair: str | None = None
    label: tuple[str, ...] = ()
    answer: str | None = None
    separator: str | None = None


@dataclass(frozen=True)
class Doubt:
    """What the data do not show: ``kind``, ``label`` or ``text``, with the possible values, the likeliest first."""

    part: str  # what is not certain
    choices: Mapping[str, Mapping[str, Any]]  # what to call a choice → the fields of ``GivenColumns`` that it settles
    guessed: bool = True  # whether the first choice stands if nobody is asked


@dataclass(frozen=True)
class Guess:
    """The columns of a draft."""

    kind: str  # of the task
    text: str  # the text; empty where it cannot be told
    text_pair: str | None = None  # the second text
    label: tuple[str, ...] = ()  # the label columns, several for one column a label; none where answers are free text
    answer: str | None = None  # the column of free answers
    separator: str | None = None  # what parts several labels in one string
    doubts: tuple[Doubt, ...] = ()  # what a person may be asked about

    @property
    def columns_read(self) -> list[str]:
        """The columns that the task reads: texts first, then what is right."""
        return [name for name in (self.text, self.text_pair, *self.label, self.answer) if name]


def guess_columns(frame: pd.DataFrame, where: str, given: GivenColumns) -> Guess:
    """Return the columns that a task on ``frame`` would read; those that the user named are not questioned.

    What is asked for is a tag for each word, else the column with a usual name, else the sets or the fewest distinct
    values, each seen at least twice on average, else free answers under a usual name, else a number. The text is the
    column with the longest strings; two texts only where the names say so. A column that is empty in many rows is not
    preferred to another.

    Raises:
        InputError: no such column or kind, things that do not go together, or it cannot be told; the message lists the
            columns with examples.
    """
    guess = consider(frame, where, given)
    missing = [doubt.part for doubt in guess.doubts if not doubt.guessed]
    if missing:
        flags = {"label": "--label C (or --answer C, where answers are free text)", "text": "--text C"}
        shown = "\n".join(printable(str(column)) for column in traits_of(frame).values())
        hint = f"Name it: {' '.join(flags[column] for column in missing)}\n{shown}"
        which = " and ".join(f"the {column}" for column in missing)
        raise InputError(f"cannot tell which column is {which}", where=where, hint=hint)
    return guess


def consider(frame: pd.DataFrame, where: str, given: GivenColumns) -> Guess:
    """Return the guess as :func:`guess_columns` makes it, with doubts also about what cannot be told."""
    _require_sense(frame, where, given)
    traits = traits_of(frame)
    named = {given.text, given.text_pair}
    free = {name: column for name, column in traits.items() if name not in named}
    candidates = _targets(frame, traits, given)
    best = candidates[0] if candidates else None
    doubts = _target_doubts(candidates, given) if best else [_untold_target(free, given)]
    rest = {name: column for name, column in free.items() if best is None or name not in best.columns}
    text, pair, text_doubt = _texts(rest, given, best)
    target = replace(best, separator=given.separator or best.separator) if best else Target("classification", 0)
    doubts += [text_doubt] if text_doubt else []
    return Guess(target.kind, text, pair, target.label, target.answer, target.separator, tuple(doubts))


def _require_sense(frame: pd.DataFrame, where: str, given: GivenColumns) -> None:
    columns = [str(name) for name in frame.columns]
    flags = [("--text", given.text), ("--pair", given.text_pair), ("--answer", given.answer)]
    for flag, name in [*flags, *(("--label", name) for name in given.label)]:
        if name is not None and name not in columns:
            raise InputError(f"no column {name!r} for {flag}", where=where, hint=suggest(name, columns))
    if given.kind is not None and given.kind not in KINDS.names():
        raise InputError(f"unknown kind of task {given.kind!r}", hint=suggest(given.kind, KINDS.names()))
    for wrong, message, hint in _contradictions(given):
        if wrong:
            raise InputError(message, hint=hint)


def _contradictions(given: GivenColumns) -> Iterator[tuple[bool, str, str]]:
    """Yield whether two options contradict each other, the message, and what would work."""
    kind, labelled = given.kind, bool(given.label or given.text_pair)
    together, several = "--answer goes without --label and --pair", len(given.label) > 1
    yield given.answer is not None and labelled, together, "A task has labels or free answers."
    free = kind in {None, *GENERATED}
    yield given.answer is not None and not free, f"--answer is not for {kind}", "Name the label with --label."
    yield kind in GENERATED and labelled, f"a {kind} task has free answers", "Name their column with --answer."
    tagged = kind == "token-classification"
    yield tagged and given.text_pair is not None, f"a {kind} task has one text", "Leave --pair out."
    multilabel = kind in {None, "multilabel"}
    yield several and not multilabel, f"a {kind} task has one label column", "Several are for --kind multilabel."
    parted = given.separator is not None and (not multilabel or given.answer is not None)
    yield parted, "--separator parts several labels in one string", "It is for --kind multilabel."


def _targets(frame: pd.DataFrame, traits: Mapping[str, Traits], given: GivenColumns) -> list[Target]:
    """Return what can be asked for and agrees with what is given, the likeliest first."""
    if given.answer is not None:
        candidates = free_answers(given.answer, 0)
    else:
        text_columns = {given.text, given.text_pair}
        candidates = [target for target in targets(frame, traits) if not text_columns & set(target.columns)]
        candidates = [target for target in candidates if not (target.text and given.text not in {None, target.text})]
        candidates = [target for target in candidates if not (target.answer and given.text_pair)]
    if given.label:
        labelled = [target for target in candidates if target.label == given.label]
        candidates = labelled or [target_of_columns(given.kind, given.label, traits)]
    if given.separator is not None:
        candidates = [target for target in candidates if target.kind == "multilabel"]
    fitting = [target for target in candidates if given.kind in {None, target.kind}]
    fitting.sort(key=lambda target: (target.tier, target.gappy))
    return fitting or ([target_of_columns(given.kind or "multilabel", given.label, traits)] if given.label else [])


def _target_doubts(candidates: Sequence[Target], given: GivenColumns) -> list[Doubt]:
    """Return in what the targets that are as likely as the first differ from it."""
    best = candidates[0]
    alike = [target for target in candidates if target.tier == best.tier]
    named = given.label or given.answer
    if any(target.gappy != best.gappy for target in alike) and not named:
        return [Doubt("label", {", ".join(target.columns): _columns_of(target) for target in alike}, guessed=False)]
    kinds = {target.kind: {"kind": target.kind} for target in alike}
    if given.kind is None and len(kinds) > 1:
        return [Doubt("kind", kinds)]
    columns = {", ".join(target.columns): _columns_of(target) for target in alike if target.kind == best.kind}
    return [Doubt("label", columns)] if len(columns) > 1 and not named else []


def _untold_target(free: Mapping[str, Traits], given: GivenColumns) -> Doubt:
    def choice_of(column: Traits) -> Mapping[str, Any]:
        is_label = (column.few or column.sets or column.quantity) and given.kind not in GENERATED
        return {"label": (column.name,)} if is_label else {"answer": column.name}

    return Doubt("label", {name: choice_of(column) for name, column in free.items()}, guessed=False)


def _columns_of(target: Target) -> Mapping[str, Any]:
    return {"answer": target.answer} if target.answer else {"label": target.label}


def _texts(
    rest: Mapping[str, Traits], given: GivenColumns, target: Target | None
) -> tuple[str, str | None, Doubt | None]:
    """Return text and second text, and the doubt about the text."""
    if given.text is not None:
        return given.text, given.text_pair, None
    if target and target.text:
        return target.text, None, None
    if given.text_pair is None and not (target and target.answer):
        first, second = _pair(rest)
        if first:
            return first, second, None
    wordy = [column for column in rest.values() if column.length and column.distinct > 2]
    wordy.sort(key=lambda column: (column.gappy, -column.length))
    if not wordy:
        return "", given.text_pair, Doubt("text", {name: {"text": name} for name in rest}, guessed=False)
    likely = [column.name for column in wordy if column.length >= NEARLY * wordy[0].length]
    doubt = Doubt("text", {name: {"text": name} for name in likely}) if len(likely) > 1 else None
    return wordy[0].name, given.text_pair, doubt


def _pair(columns: Mapping[str, Traits]) -> tuple[str | None, str | None]:
    lower = {plain_name(name): name for name in columns}
    for first, second in PAIRS:
        if first in lower and second in lower:
            return lower[first], lower[second]
    return None, None
