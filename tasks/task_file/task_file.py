"""A task file: one YAML that says where rows come from, which columns matter, and how they are split.

::

    description: Which team has to answer a support ticket.   # one line
    files: {data: tickets.csv}               # exactly one source: hub, github, files, wheel, python, …
    columns: {text: body, label: team}       # text may be a list of columns, joined with a space; text_pair; id
    labels: [billing, shipping]              # or {raw value: name}; discovered in sorted order if left out; see below
    ranges: {low: [0, 2], high: [4, 5]}      # instead of labels, of a column of numbers; other rows are left out
    other_labels: refuse                     # or drop: rows whose label is not listed are left out; or keep: see below
    on_missing: drop                         # or error; see below
    on_duplicate: keep                       # or drop; see below
    where: {language: en}                    # keep only rows with this value (or one of a list); see below
    pairs: same-label                        # the task asks whether two texts have the same label; see below
    splits: {validation: 0.1, test: 0.2, seed: 0, stratified: true}
    license: CC-BY-4.0
    homepage: https://example.org

A task whose answers are free text names a column with the right answers instead of one with labels::

    description: Sums of two numbers.
    kind: causal-lm
    files: {data: sums.csv}
    columns: {text: question, answer: result}
    metric: numeric-match                    # or exact-match (the default), rouge-l
    max_new_tokens: 8                        # how long an answer may be, its end token included; 32 if left out
    prompt: "Question: {question} Answer:"   # the text, with the columns in their places; else they are joined
    answers: {"1": "yes", "0": "no"}         # raw value: what the model is to write; else the value itself

The other kinds, each by what differs::

    kind: seq2seq                            # as causal-lm, for an encoder-decoder such as a T5
    kind: multilabel                         # any number of labels for a text
    columns: {text: body, label: topics}     # a list, or a string parted at `separator` (a comma if left out)
    columns: {text: body, label: [war, art]} # or several columns of 1 and 0, each called as its label
    kind: regression                         # a number for a text or a pair
    columns: {text: a, text_pair: b, label: similarity}
    kind: token-classification               # a tag for each word; BIO tags are scored by whole entities
    columns: {text: tokens, label: ner_tags} # both lists, or strings parted at white space

``other_labels: drop`` leaves an unlisted label out of its set, and a text with an unlisted tag altogether.

``labels: {HAM: ham, " ham ": ham, SPAM: spam}`` makes one label of those that are written in several ways: each raw
value has the name beside it, and a name stands for itself. Values that are neither are refused; with ``other_labels:
keep`` each of them is a label too. A mapping onto a single name, such as ``labels: {HAM: ham}``, keeps the others. A
kept label that train has no row of is an error.

``exact-match``: equal but for case and white space. ``numeric-match``: the last number of the text is the answer's.
``rouge-l``: F-measure of the longest common subsequence of words.

Splits. ``train``, ``validation`` and ``test`` name a split of the source; ``validation`` and ``test`` may instead be
a share (0.1) or a number (1000) of rows to cut from train. Left out, a split is the source's split of that name, else
it is cut from train (validation 0.1, test 0.2 of the rows). A source with a single table calls it ``data``, which is
train before the cut. **Rows whose texts are the same but for case and white space always land on the same side of a
cut**, so that a split made here never leaks; they are all kept. Splits that come with a source are left as they are;
``workbench tasks check`` counts what they share.

Rows without a text (or without one of a pair) are dropped, and the task's origin says how many; a row without a
label or an answer is an error. ``on_missing: drop`` drops both, ``on_missing: error`` refuses both.

``on_duplicate: drop`` keeps one row of those with the same text: the first, or the one in the last of train,
validation and test where several splits of the source have it. It looks at all rows that ``where`` lets through, also
those of other labels, so that tasks that take different labels of one source never test on each other's training texts.

``where: {sent: {at_least: "2016-04", below: "2016-07"}}`` keeps the rows whose value lies between two bounds, of which
one may be left out. Where the bounds are numbers, values are compared as numbers; else as text, which puts dates that
begin with the year in their order.

``pairs: same-label`` makes pairs of the texts of each split, and the task's labels are ``different`` and ``same``. Each
text is in four pairs: once first and once second, with a text of its own label and with one of another. So neither a
text alone nor its length tells the answer. Pairs are made after rows are cut, and of rows with the same text one is
kept, so that no text is in two splits. ``splits.seed`` draws them.

Text files may be written in many ways; what is not plain for the format stands with the file (``tasks new`` finds it)::

    files: {data: rows.txt, delimiter: ";", quotes: false, header: false, encoding: latin-1, decimal: ","}

**A task file with the source ``python`` is code**: a function of a module beside it runs whenever the task is loaded.

A file may declare a ``family``: a list of members, each with a ``name`` that begins with the file's name and a dash,
and with any other key; a member's keys replace those of the file, inside mappings key by key. The members' order is
the order in which the family is learned as a stream.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.workbench.errors import suggest
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.settings.base import Settings

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
LONGEST_NAME = 100  # characters; it becomes part of file names
NAME_RULE = f"lowercase letters and digits, joined by single hyphens, at most {LONGEST_NAME} characters"

Scalar = bool | int | float | str
Metric = Literal["exact-match", "numeric-match", "rouge-l"]
SAME_OR_NOT = ("different", "same")  # the labels of `pairs`, in the order of the classes
METRIC, NEW_TOKENS = "exact-match", 32  # where a file with free answers does not say
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")  # of a column in a prompt


def _is_unsaid(value: object) -> bool:
    """Return whether a key is left out; then rows are cached as before this key existed."""
    return value is None


class Bounds(Settings):
    """Which values of a column count: those from ``at_least`` on, and those before ``below``."""

    at_least: int | float | str | None = Field(None, description="smallest value, itself included")
    below: int | float | str | None = Field(None, description="first value that is too large")

    @model_validator(mode="after")
    def _bounds_of_one_kind(self) -> Self:
        given = [value for value in (self.at_least, self.below) if value is not None]
        if not given:
            raise ValueError("give `at_least`, `below`, or both")
        if len({isinstance(value, str) for value in given}) > 1:
            raise ValueError("one bound is a number and the other a text: put quotes around both, or around neither")
        if len(given) > 1 and not given[0] < given[1]:  # type: ignore[operator]  # two numbers or two texts
            raise ValueError("`at_least` has to be smaller than `below`")
        return self

    @property
    def are_numbers(self) -> bool:
        """Whether values are compared as numbers; else as text."""
        return not isinstance(self.below if self.at_least is None else self.at_least, str)

    def __str__(self) -> str:
        """Return the bounds in words: ``at least 1, below 5``."""
        named = {"at least": self.at_least, "below": self.below}
        return ", ".join(f"{word} {value}" for word, value in named.items() if value is not None)


def _form(value: object) -> str:
    return "bounds" if isinstance(value, dict | Bounds) else "values"


Condition = Annotated[
    Annotated[Scalar | list[Scalar], Tag("values")] | Annotated[Bounds, Tag("bounds")], Discriminator(_form)
]


class Columns(Settings):
    """Which raw column plays which part."""

    text: str | list[str] = Field(description="the text; several columns are joined with a space")
    text_pair: str | None = Field(None, description="the second text, for pairs")
    label: str | list[str] = Field(
        "label", description="the label; of a multilabel task also several columns of 1 and 0"
    )
    separator: str | None = Field(
        None, min_length=1, description="separates several labels in one string (multilabel); a comma if null"
    )
    answer: str | None = Field(None, description="the right answer in words, for kinds that generate; then no label")
    id: str | None = Field(None, description="unique over all splits; made of split and row number if left out")

    @field_validator("text", "label")
    @classmethod
    def _at_least_one(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("expected the name of a column, or a list of names")
        return value

    @property
    def texts(self) -> list[str]:
        return [self.text] if isinstance(self.text, str) else self.text

    @property
    def labels(self) -> list[str]:
        return [self.label] if isinstance(self.label, str) else self.label

    @model_validator(mode="after")
    def _label_or_answer(self) -> Self:
        if self.answer is not None and {"label", "text_pair"} & self.model_fields_set:
            raise ValueError("with `answer` only `text` is allowed, not `label` or `text_pair`")
        return self


class Splits(Settings):
    """Which split of the source is which, and what is cut."""

    train: str | None = Field(None, description="name of a split of the source; `train` if null")
    validation: str | float | None = Field(
        None,
        description="name of a split; or a share (0.1) or a number (1000) of rows that are cut from train. If null: "
        "the source's own, else 0.1 of the rows",
    )
    test: str | float | None = Field(None, description="the same; if null: the source's own, else 0.2 of the rows")
    seed: int = Field(0, ge=0, description="draws the rows that are cut, and pairs")
    stratified: bool = Field(True, description="cut the same share of each class")

    @field_validator("validation", "test")
    @classmethod
    def _a_share_or_a_number(cls, value: str | float | None) -> str | float | None:
        if isinstance(value, float | int) and not (0 < value < 1 or (value >= 1 and float(value).is_integer())):
            raise ValueError("expected a share between 0 and 1, a whole number of rows, or the name of a split")
        return value

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        shares = [value for value in (self.validation, self.test) if isinstance(value, float) and value < 1]
        if sum(shares) >= 1:
            raise ValueError("validation and test together leave no rows for training")
        return self


class TaskFile(Settings):
    """Every key of a task but its source."""

    name: str | None = Field(
        None, pattern=NAME, max_length=LONGEST_NAME, description="the file's name without its ending, if it is given"
    )
    description: str = Field(min_length=1, description="one line for people")
    kind: str = Field("classification", description="kind of task")
    columns: Columns = Field(description="which column plays which part: see below")
    labels: list[str] | dict[str, str] | None = Field(
        None, description="in the order of the classes; or raw value → name. If null: all values, sorted"
    )
    ranges: dict[str, tuple[float, float]] | None = Field(
        None, description="classes of a column of numbers: name → smallest and largest value, both included"
    )
    other_labels: Literal["refuse", "drop", "keep"] = Field(
        "refuse",
        description="labels that are not listed are an error (refuse), their rows are left out (drop), or they are "
        "labels too (keep; also where `labels` maps onto one name and this key is left out)",
    )
    on_missing: Literal["error", "drop"] | None = Field(
        None,
        description="rows without a text or a label; if null: without a text dropped, without a label an error",
    )
    on_duplicate: Literal["keep", "drop"] = Field(
        "keep", description="drop: of the rows with the same text one is kept"
    )
    metric: Metric | None = Field(
        None,
        description="how a generated answer is judged. exact-match: equal but for case and white space; numeric-match: "
        "the last number of the text is the answer's; rouge-l: F-measure of the longest common subsequence of words. "
        f"If null: {METRIC}",
    )
    max_new_tokens: int | None = Field(
        None,
        ge=1,
        description=f"largest number of tokens of a generated answer, its end token included; {NEW_TOKENS} if null",
    )
    prompt: str | None = Field(
        None,
        description="the text, for generated answers: {column} stands for what a column of `text` holds",
        exclude_if=_is_unsaid,
    )
    answers: dict[str, str] | None = Field(
        None,
        description="raw value of the answer column → what the model is to write; if null, the value itself",
        exclude_if=_is_unsaid,
    )
    where: dict[str, Condition] = Field(
        default_factory=dict,
        description="column → the value that is kept, a list of such values, or bounds: {at_least: …, below: …}",
    )
    pairs: Literal["same-label"] | None = Field(
        None, description="same-label: two texts each, and whether they have the same label", exclude_if=_is_unsaid
    )
    splits: Splits = Field(Splits(), description="which split is which, and what is cut: see below")
    license: str | None = Field(None, description="of the data, for people")
    homepage: str | None = Field(None, description="address of the data, for people")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        if kind not in KINDS.names():
            raise ValueError(f"unknown kind of task. {suggest(kind, KINDS.names())}")
        return kind

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_strings(cls, labels: object) -> object:
        values = [*labels, *labels.values()] if isinstance(labels, dict) else labels
        if values is not None and not (isinstance(values, list) and all(isinstance(value, Scalar) for value in values)):
            raise ValueError("expected a list of names, or a mapping of raw values to names")
        if values and any(isinstance(value, bool) for value in values):
            raise ValueError("YAML reads yes, no, on, off, true and false as truth values; put quotes around them")
        if isinstance(labels, dict):
            return {raw(value): raw(name) for value, name in labels.items()}
        return values and [raw(name) for name in values]

    @field_validator("labels")
    @classmethod
    def _two_names(cls, labels: list[str] | dict[str, str] | None) -> list[str] | dict[str, str] | None:
        label_names = list(labels) if isinstance(labels, list) else list(dict.fromkeys((labels or {}).values()))
        if len(set(label_names)) < len(label_names):
            raise ValueError("a label is given twice")
        if (isinstance(labels, list) and len(label_names) < 2) or labels == {}:
            raise ValueError("a classification task needs at least two labels")
        return labels

    @property
    def unlisted(self) -> Literal["refuse", "drop", "keep"]:
        """How labels that ``labels`` does not list are handled."""
        return "keep" if self.names_one_label and "other_labels" not in self.model_fields_set else self.other_labels

    @property
    def names_one_label(self) -> bool:
        """Whether ``labels`` maps onto a single name: then the others are kept unless ``other_labels`` is given."""
        return isinstance(self.labels, dict) and len(set(self.labels.values())) == 1

    @field_validator("ranges")
    @classmethod
    def _ranges_apart(cls, ranges: dict[str, tuple[float, float]] | None) -> dict[str, tuple[float, float]] | None:
        ordered = sorted((ranges or {}).values())
        if ranges is not None and len(ordered) < 2:
            raise ValueError("a classification task needs at least two ranges")
        if not all(low <= high for low, high in ordered):
            raise ValueError("a range is written as its smallest and its largest value, in this order")
        if any(before[1] >= after[0] for before, after in pairwise(ordered)):
            raise ValueError("no value may be in two ranges")
        return ranges

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> Self:
        free, columns = self.columns.answer is not None, self.columns
        if self.kind in GENERATED and not free:
            raise ValueError(f"a {self.kind} task needs `columns.answer`, the column with the right answers")
        if self.kind not in GENERATED and free:
            raise ValueError(f"`columns.answer` belongs to `kind: causal-lm`; a {self.kind} task has a label")
        if self.kind != "multilabel" and (
            not isinstance(columns.label, str) or "separator" in columns.model_fields_set
        ):
            raise ValueError(f"several `label` columns, and `separator`, belong to `kind: multilabel`, not {self.kind}")
        if self.kind == "token-classification" and (columns.text_pair or len(columns.texts) > 1):
            raise ValueError("a token-classification task has one text column, whose words are tagged")
        self._require_no_foreign_keys()
        return self

    @model_validator(mode="after")
    def _pairs_are_made_of_single_texts(self) -> Self:
        if self.pairs is None:
            return self
        if self.kind != "classification":
            raise ValueError(f"`pairs` belongs to `kind: classification`, not {self.kind}")
        if self.columns.text_pair is not None:
            raise ValueError("`pairs` are made of single texts: leave `columns.text_pair` or `pairs` out")
        if self.on_duplicate == "keep" and "on_duplicate" in self.model_fields_set:
            raise ValueError("with `pairs`, no text may come twice: leave `on_duplicate` out")
        return self

    @property
    def unique_texts(self) -> bool:
        """Whether one row is kept of those with the same text."""
        return self.on_duplicate == "drop" or self.pairs is not None

    @property
    def of_examples(self) -> TaskFile:
        """What a table of the task's examples has: this file, or for pairs columns of both texts and their label."""
        if self.pairs is None:
            return self
        columns = Columns(text="text", text_pair="text_pair")
        return TaskFile(description=self.description, columns=columns, labels=[*SAME_OR_NOT])

    @model_validator(mode="after")
    def _prompt_has_the_columns(self) -> Self:
        placeholders, texts = set(PLACEHOLDER.findall(self.prompt or "")), self.columns.texts
        if self.prompt is not None and placeholders != set(texts):
            needed = ", ".join(f"{{{name}}}" for name in texts)
            raise ValueError(
                f"`prompt` needs exactly these placeholders, one for each column of `columns.text`: {needed}"
            )
        return self

    def _require_no_foreign_keys(self) -> None:
        numeric = self.kind == "regression"
        if self.ranges and self.kind != "classification":
            raise ValueError(f"`ranges` belongs to `kind: classification`, not {self.kind}")
        if self.ranges and {"labels", "other_labels"} & self.model_fields_set:
            raise ValueError("`ranges` replaces `labels` and `other_labels`: leave those out")
        foreign: tuple[str, ...] = () if self.kind in GENERATED else ("metric", "max_new_tokens", "prompt", "answers")
        foreign += ("labels", "other_labels") if self.kind in GENERATED or numeric else ()
        if foreign_keys := [name for name in foreign if name in self.model_fields_set]:
            why = "has no labels" if self.kind in GENERATED else "has numbers" if numeric else "has labels"
            raise ValueError(f"{' and '.join(foreign_keys)} have no meaning here: the task {why}")
