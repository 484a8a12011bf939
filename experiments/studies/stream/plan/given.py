"""Checkpoints as the stages of a stream: how many there may be, which task counts from which, how each is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.label_order import different, listed
from adapter_workbench.experiments.strategies._checkpoint import GivenStage
from adapter_workbench.experiments.strategies._checkpoints import BODY, read_checkpoints
from adapter_workbench.experiments.strategies._ways import FITTABLE, require_room, require_speaking, way_of
from adapter_workbench.experiments.studies.stream.plan.entry import GIVEN
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, read_config
from adapter_workbench.workbench.backbone.architecture import is_causal
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, UnknownNameError, collect_problems
from adapter_workbench.workbench.methods.sampling import test_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.strategies._checkpoint import Checkpoint, Labels
    from adapter_workbench.experiments.strategies._ways import AnswerSettings, Way
    from adapter_workbench.experiments.studies.stream.plan.entry import PlannedEntry
    from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document

METHOD = "full"  # of an entry of checkpoints that names none: it says how states are read that were learned here
Given = dict[tuple[str, int], tuple[GivenStage, ...]]


def is_given(entry: PlannedEntry) -> bool:
    """Return whether the stages of an entry are checkpoints, and nothing is trained."""
    return entry.strategy == GIVEN


def ungiven(document: Document, recipe: Recipe, entries: Sequence[PlannedEntry]) -> list[Problem]:
    """Return what is wrong with the numbers of checkpoints, or of entries that have some; no file is read."""
    given = [entry for entry in entries if is_given(entry)]
    problems: list[Problem] = []
    lists = {entry.label: _lists(entry) for entry in given}
    for entry in given:
        with collect_problems(problems):
            _require_fitting(document, recipe, entry)
    if recipe.examined:
        where = document.where("learned")
        trained = [entry.label for entry in entries if not is_given(entry)]
        if trained:
            hint = "Leave 'learned' out, or leave out the entries that are trained."
            problems.append(Problem(f"'learned: before' is for checkpoints: {trained[0]!r} is trained", where, hint))
        sizes = {len(stages) for seeds in lists.values() for stages in seeds}
        if len(sizes) > 1 or sizes == {1}:
            hint = "Give each the same number, two or more: the base model first."
            problems.append(Problem("entries of checkpoints are compared stage by stage", where, hint))
    return problems


def given_stages(
    document: Document, recipe: Recipe, entries: Sequence[PlannedEntry], backbone: Backbone, tasks: Sequence[Task]
) -> Given:
    """Return the stages of each entry of checkpoints, by its label and the seed.

    Raises:
        SettingsError: a checkpoint is not there or cannot be read, or a task cannot be answered; all are named.
    """
    given: Given = {}
    problems: list[Problem] = []
    for entry in filter(is_given, entries):
        where, settings = document.where("strategies", entry.label, "stages"), _answering(entry)
        labels = entry.strategy_settings.model_dump().get("head_labels", {})
        with collect_problems(problems):
            require_labels(labels, tasks, document.where("strategies", entry.label, "head_labels"))
        for seed, names in zip(recipe.seeds, _lists(entry), strict=True):
            with collect_problems(problems, where):
                checkpoints = read_checkpoints(names, backbone, tasks, where, labels)
                _require_readable(checkpoints, backbone, tasks, recipe, where)
                _require_one_prompt(checkpoints, entry, where)
                stages = tuple(_numbered(checkpoints, tasks, settings, recipe.examined, labels, where))
                require_speaking(
                    settings, stages[0].ways, {task.name: task for task in tasks}, is_causal(backbone.config)
                )
                for task in tasks:
                    rows = test_rows(task, recipe.budget)
                    require_room(task, settings, rows, backbone.tokenizer, recipe.budget.max_length)
                given[entry.label, seed] = stages
                _require_alike(entry.label, given, where)
    if problems:
        raise SettingsError(problems)
    return given


def _require_readable(
    checkpoints: Sequence[Checkpoint], backbone: Backbone, tasks: Sequence[Task], recipe: Recipe, where: str
) -> None:
    """Raise InputError where a checkpoint's model has no embedding for a token of a text that it is asked.

    Of whole models alone: others have the embeddings of the base model, whose tokenizer reads the texts.
    """
    for checkpoint in checkpoints:
        if checkpoint.backbone is None:
            continue
        own, words, expected = checkpoint.reader, _words(checkpoint.backbone), _words(backbone)
        if own is None and words < expected:
            message = f"{checkpoint.name} has no tokenizer and {words:,} tokens, the base model {expected:,}"
            raise InputError(message, where=where, hint="Put the model's own tokenizer into its folder.")
        for task in tasks if own else ():
            _require_known_tokens(checkpoint, task, recipe, where)


def _require_one_prompt(checkpoints: Sequence[Checkpoint], entry: PlannedEntry, where: str) -> None:
    """Raise InputError where a stage of a stream has more virtual tokens than its method puts before each text.

    After progressive-prompts it has those of all tasks, and each task is read behind its own and earlier ones.
    """
    asked = entry.method_settings.virtual_tokens
    for checkpoint in checkpoints:
        config = checkpoint.folder / BODY / CONFIG
        if checkpoint.form != "state" or not config.is_file():
            continue
        tokens = read_config(config.parent).get("num_virtual_tokens", asked)
        if tokens != asked:
            message = f"{checkpoint.name} has {tokens} virtual tokens, and {entry.method} {asked} before each text"
            hint = "Give method and tokens of the stream. A stage of progressive-prompts cannot be given but its first."
            raise InputError(message, where=where, hint=hint)


def _require_known_tokens(checkpoint: Checkpoint, task: Task, recipe: Recipe, where: str) -> None:
    assert checkpoint.reader is not None
    try:
        tokenise(checkpoint.reader.tokenizer, test_rows(task, recipe.budget)["text"][:], verbose=False)
    except InputError as error:
        message = f"{checkpoint.name} cannot read {task.name} with its own tokenizer: {error.what}"
        hint = "The tokenizer in this folder is not that of its model. Put the right one there, or none."
        raise InputError(message, where=where, hint=hint) from None


def _words(backbone: Backbone) -> int:
    """Return how many tokens a model knows; 0 where its config does not say."""
    return int(getattr(backbone.config, "vocab_size", None) or 0)


def _require_alike(label: str, given: Given, where: str) -> None:
    """Raise InputError where a task would be answered in one way with one seed, and in another with another."""
    first, *others = [stages[0].ways for (of, _), stages in given.items() if of == label]
    for name, way in first.items():
        if any(ways[name] != way for ways in others):
            message = f"the checkpoints of one seed bring a head for {name}, and those of another do not"
            raise InputError(message, where=where, hint="Compare seeds whose checkpoints were saved alike.")


def _answering(entry: PlannedEntry) -> AnswerSettings:
    settings: Any = entry.strategy_settings
    answering: AnswerSettings = settings
    return answering


def _lists(entry: PlannedEntry) -> list[tuple[str, ...]]:
    """Return the checkpoints of an entry, a list for each seed."""
    stages = entry.strategy_settings.model_dump()["stages"]
    return [stages] if stages and isinstance(stages[0], str) else [*stages]


def _require_fitting(document: Document, recipe: Recipe, entry: PlannedEntry) -> None:
    where = document.where("strategies", entry.label, "stages")
    lists, seeds, tasks = _lists(entry), len(recipe.seeds), len(recipe.tasks)
    if len(lists) != seeds:
        hint = "Give a list of checkpoints for each seed: the same ones twice are not two replications."
        raise InputError(f"there are {seeds} seeds, and checkpoints of {len(lists)}", where=where, hint=hint)
    if recipe.orders not in (1, ()):
        hint = "Leave 'orders' out, or leave the entry out."
        raise InputError("checkpoints were learned in one order of the tasks", where=where, hint=hint)
    for names in lists:
        if not recipe.examined and len(names) not in (tasks, tasks + 1):
            message = f"{len(names)} checkpoints for {tasks} tasks"
            hint = (
                f"Give {tasks}, one after each task, or {tasks + 1} with the base model first. Or write 'learned: "
                "before': then all tasks count from the first checkpoint on, however many there are."
            )
            raise InputError(message, where=where, hint=hint)


def _numbered(
    checkpoints: Sequence[Checkpoint],
    tasks: Sequence[Task],
    settings: AnswerSettings,
    examined: bool,
    labels: Mapping[str, Labels],
    where: str,
) -> Iterator[GivenStage]:
    """Yield the stages; raises InputError where a task cannot be answered."""
    first = 0 if examined else len(tasks) + 1 - len(checkpoints)
    if not examined:
        checkpoints = [
            _with_own_head(checkpoint, tasks, stage) for stage, checkpoint in enumerate(checkpoints, start=first)
        ]
    answering = {
        task.name: [*checkpoints] if examined else [checkpoints[stage - first]]
        for stage, task in enumerate(tasks, start=1)
    }
    for task in tasks:
        require_heads(labels, task, answering[task.name], where)
    ways = {task.name: _way(task, answering[task.name], settings, where) for task in tasks}
    require_one_order(ways, checkpoints, where)
    for number, checkpoint in enumerate(checkpoints, start=first):
        learned = [task.name for stage, task in enumerate(tasks, start=1) if number == (0 if examined else stage)]
        yield GivenStage(number, checkpoint, ways, tuple(learned))


def _with_own_head(checkpoint: Checkpoint, tasks: Sequence[Task], stage: int) -> Checkpoint:
    """Return a checkpoint with the head of the task of its stage alone; a state of a stream has those of all so far.

    Another task may have the same labels, and its head is not this one.
    """
    own = tasks[stage - 1].name if stage else ""
    kept = {name: labels for name, labels in checkpoint.heads.items() if checkpoint.form == "state" or name == own}
    return replace(checkpoint, heads=kept)


def _way(task: Task, checkpoints: Sequence[Checkpoint], settings: AnswerSettings, where: str) -> Way:
    """Return how a task is answered at all stages: by heads that came where each of ``checkpoints`` brings one."""
    heads_came = all(task.name in checkpoint.heads for checkpoint in checkpoints)
    if way := way_of(task, settings, heads_came):
        return way
    message = f"no head for {task.name} came with the checkpoints, and for {task.kind} tasks none is fitted here"
    raise InputError(message, where=where, hint=f"Leave the task out, or take a {FITTABLE} task.")


def ways_of(given: Given) -> Mapping[str, Mapping[str, str]]:
    """Return label → task → how it is answered, for the record."""
    return {label: dict(stages[0].ways) for (label, _), stages in given.items()}


# Labels that a recipe names for the heads of checkpoints, in the order of their logits: whether they can be meant.


def require_labels(labels: Mapping[str, Labels], tasks: Sequence[Task], where: str) -> None:
    """Make sure that labels are named for tasks of the stream, and are those of the task.

    Args:
        labels: task → its labels in the order of a head's logits.
        tasks: of the stream.
        where: in the recipe, for messages.

    Raises:
        InputError: a task that the stream does not have, or other labels than the task has.
    """
    by_name = {task.name: task for task in tasks}
    for name, named in labels.items():
        if name not in by_name:
            raise UnknownNameError("task of this stream", name, by_name, where)
        task = by_name[name]
        if not task.labels:
            raise InputError(f"{name} is {task.kind} and has no labels", where=where, hint="Leave it out.")
        if len({*named}) < len(named):
            raise InputError(f"a label of {name} is named twice: {listed(named)}", where=where)
        if differ := different(named, task.labels, "in the checkpoint"):
            hint = f"Name all labels in the order of the logits, called as the task calls them: {listed(task.labels)}"
            raise InputError(f"the labels are not those of {name}; {differ}", where=where, hint=hint)


def require_heads(labels: Mapping[str, Labels], task: Task, checkpoints: Sequence[Checkpoint], where: str) -> None:
    """Make sure that each checkpoint brings a head for ``task``, where labels are named for it.

    Raises:
        InputError: one brings none, or one with another number of labels.
    """
    for checkpoint in checkpoints if task.name in labels else ():
        if task.name not in checkpoint.heads:
            why = checkpoint.lacking.get(task.name, "no head came with it")
            message = f"labels are named for {task.name}, and {checkpoint.name} cannot answer with them: {why}"
            hint = (
                "A task is answered in one way at all its checkpoints. Name checkpoints whose heads have these labels, "
                "or leave the labels out: then heads are fitted."
            )
            raise InputError(message, where=where, hint=hint)


def require_one_order(ways: Mapping[str, Way], checkpoints: Sequence[Checkpoint], where: str) -> None:
    """Make sure that the one head which another program's checkpoint brings has its labels in one order.

    Raises:
        InputError: it is to answer two tasks with its labels in two orders.
    """
    for checkpoint in checkpoints:
        if checkpoint.form in ("folder", "model"):
            orders = {labels: name for name, labels in checkpoint.heads.items() if ways[name] == "own head"}
            if len(orders) > 1:
                (this_order, first), (other_order, second) = [*orders.items()][:2]
                message = (
                    f"the one head of {checkpoint.name} cannot have its labels in two orders: "
                    f"{listed(this_order)} for {first}, {listed(other_order)} for {second}"
                )
                raise InputError(message, where=where, hint="Name the labels as the head was trained.")
