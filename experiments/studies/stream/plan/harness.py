"""Tasks of EleutherAI's harness as further columns of the matrix; nothing learns them: checkpoints are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.harness.questions import KIND, harness_tasks
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
    from adapter_workbench.workbench.answering.harness.questions import HarnessTask
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Document

KEY = "lm-eval"


def all_kinds(recipe: Recipe, kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds of all columns, from those of the tasks that are not the harness's."""
    return tuple(dict.fromkeys([*kinds, KIND])) if recipe.harness else tuple(kinds)


def without_columns(document: Document, recipe: Recipe) -> Iterator[Problem]:
    """Yield a problem where there is no task at all, or where tasks of the harness would have to be learned."""
    if not recipe.tasks and not recipe.harness:
        yield Problem("no task is named", document.where("tasks"), "`workbench tasks list` names them.")
    if recipe.harness and not recipe.examined:
        hint = "Set 'learned: before' (for checkpoints that exist already), or name the tasks for the probe lm-eval."
        yield Problem("nothing learns tasks of the harness, which checkpoints can be measured on", _at(document), hint)


def harness_columns(document: Document, recipe: Recipe, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks of the harness that a recipe names; they are loaded, and rows may be fetched.

    Raises:
        SettingsError: one is not there, cannot be asked here, or is called as another task of the recipe.
    """
    columns: list[HarnessTask] = []
    problems: list[Problem] = []
    with collect_problems(problems, _at(document)):
        columns += harness_tasks(recipe.harness) if recipe.harness else []
        taken = {task.name for task in tasks}
        if twice := next((task.name for task in columns if task.name in taken), None):
            message = f"{twice!r} is a task of this recipe already, and one of the harness too"
            raise InputError(message, hint="Leave one of them out.")
    if problems:
        raise SettingsError(problems)
    return tuple(columns)


def _at(document: Document) -> str:
    return document.where(KEY)
