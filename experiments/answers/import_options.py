"""The options of an import, checked before anything is read or fetched."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.ids import ID, LONGEST_ID
from adapter_workbench.workbench.answering.elsewhere.identity import SHORT
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import backbone_available
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, UnknownNameError, collect_problems
from adapter_workbench.workbench.settings.bounds import FEWEST_TOKENS, MOST_TOKENS
from adapter_workbench.workbench.settings.yaml_text import require_characters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.tasks.task_file.spec import TaskSpec


QUOTED = "Names stand between commas; one with a comma in it stands in double quotes: --labels '\"one, two\",three'"

AUTO = ("auto",)  # `--labels auto`: the order that scores highest on validation rows of the task
HEAD_LABELS = "--head-labels"  # of an examination


@dataclass(frozen=True)
class ImportOptions:
    """What a person says of a folder to import."""

    task: str | None = None  # the task here that the adapter answers
    backbone: str | None = None  # the base model: a name, hub id or folder
    name: str | None = None  # the beginning of the adapter's id; without a task also the name of its own
    labels: tuple[str, ...] | None = None  # in the order of the sender's numbers; AUTO: the order is found
    max_length: int | None = None  # tokens; longer texts are cut
    link: bool = False  # whether the files of a whole model stay where they are
    backbone_to: str | None = None  # the folder that the base model is written to with the words that an adapter brings


@dataclass(frozen=True)
class Source:
    """A folder or hub id to import."""

    name: str  # of its folder, or its hub id, as a person wrote it
    options: ImportOptions = field(default_factory=ImportOptions)  # what is said of it
    where: str = ""  # what was said stands, for messages: a file and line; nothing for options of the command line

    def at(self, option: str) -> str:
        """Return where an option's value stands."""
        return f"{self.where}, {option}" if self.where else f"--{option.replace('_', '-')}"


def labels_in(text: str) -> tuple[str, ...]:
    """Return the labels of ``--labels``; one with a comma in it stands in double quotes, as in a CSV file.

    Raises:
        InputError: a quote that does not end, or a line that does.
    """
    try:
        (labels,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise InputError(f"these labels cannot be read: {error}", where="--labels", hint=QUOTED) from None
    return tuple(label.strip() for label in labels)


def labels_by_task(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return task → labels of the ``--head-labels`` that each give ``TASK=NAME,NAME``.

    Raises:
        InputError: no task or no labels, a task twice, or as :func:`labels_in`.
    """
    by_task: dict[str, tuple[str, ...]] = {}
    for text in texts:
        task, _, named = text.partition("=")
        if not task.strip() or not named.strip():
            raise InputError(
                f"{text!r} names no labels of a task", where=HEAD_LABELS, hint=f"{HEAD_LABELS} TASK=NAME,NAME"
            )
        if task.strip() in by_task:
            raise InputError(f"the labels of {task.strip()} are named twice", where=HEAD_LABELS)
        by_task[task.strip()] = labels_in(named)
        _require_labels(by_task[task.strip()], HEAD_LABELS)
    return by_task


def require_possible(sources: Sequence[Source], find: Callable[[str], TaskSpec]) -> None:
    """Make sure that the options can be meant at all; nothing is fetched for it.

    Args:
        sources: what is to come in.
        find: gives the task of a name, see :func:`adapter_workbench.tasks.loading.registry.finder`.

    Raises:
        InputError: a task or base model that does not exist, a name that cannot begin an id, labels without a name or
            twice, a number of tokens that no text may have, or one name for several.
    """
    names = Counter(source.options.name for source in sources)
    problems: list[Problem] = []
    distinct = {source.options: source for source in reversed(sources)}
    for source in distinct.values():
        with collect_problems(problems):
            _require_possible(source, find)
        if source.options.name and names[source.options.name] > 1:
            hint = "Leave it out: an id begins with the names of task and method. --from-file takes a list with names."
            problems.append(Problem("several adapters cannot have the same name", source.at("name"), hint))
    if problems:
        raise SettingsError(problems)


def _require_possible(source: Source, find: Callable[[str], TaskSpec]) -> None:
    options = source.options
    if options.name is not None:
        _require_name(options.name, source.at("name"))
    if options.labels == AUTO and options.task is None:
        hint = "--task NAME: the order is found on its validation rows. Or name the labels in their order."
        raise InputError("the order of labels cannot be found without a task", where=source.at("labels"), hint=hint)
    if options.labels is not None:
        _require_labels(options.labels, source.at("labels"))
    if options.task is not None:
        try:
            find(options.task)
        except UnknownNameError as error:
            raise InputError(error.what, where=source.at("task"), hint=error.hint) from None
    if options.max_length is not None and not FEWEST_TOKENS <= options.max_length <= MOST_TOKENS:
        message = f"a text may have {FEWEST_TOKENS} to {MOST_TOKENS:,} tokens, not {options.max_length:,}"
        raise InputError(message, where=source.at("max_length"))
    if options.backbone not in (None, ITSELF):
        backbone_available(options.backbone, source.at("backbone"))


def _require_name(name: str, where: str) -> None:
    longest = LONGEST_ID - SHORT - 1
    if not ID.fullmatch(name):
        hint = "It begins with a letter or a digit, and has letters, digits and . _ + - @ ="
        raise InputError(f"{name!r} cannot be the beginning of an adapter's id", where=where, hint=hint)
    if len(name.encode()) > longest:
        raise InputError(f"a name of more than {longest} bytes", where=where, hint="Give a shorter one.")


def _require_labels(labels: tuple[str, ...], where: str) -> None:
    if not all(labels):
        raise InputError("a label without a name", where=where, hint=QUOTED)
    for label in labels:
        require_characters(label, where)
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(f"{', '.join(map(repr, twice[:3]))}: a label is named twice", where=where)
