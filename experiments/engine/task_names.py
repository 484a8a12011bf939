"""The tasks that a recipe names, families by their members."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import Problem, collect_problems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.workbench.settings.base import Document, Key


def named_tasks(document: Document, key: Key, folders: Sequence[Path], problems: list[Problem]) -> list[TaskSpec]:
    """Return the tasks in the list at ``key``; ``problems`` take what is wrong with others.

    Nothing is loaded. A task that is listed twice is a problem too: by its family, or as two versions.
    """
    specs: list[TaskSpec] = []
    with collect_problems(problems, document.where(*key)):
        families, find = registry.families(folders), registry.finder(folders)
        for index, name in document.names(*key):
            for member in families.get(name, (name,)):
                with collect_problems(problems, document.where(*key, index)):
                    specs.append(find(member))
    problems += [
        Problem(f"task {name!r} comes more than once: by its family, or as two versions", document.where(*key))
        for name, times in Counter(spec.name for spec in specs).items()
        if times > 1
    ]
    return specs
