"""Which test examples have one text: several tasks may ask something of the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.sampling import test_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

TEXTS = ("text", "text_pair")


def shared_texts(tasks: Sequence[Task], budget: Budget) -> Mapping[str, Mapping[str, int]]:
    """Return task → id of a test example → number of its text, for texts that more than one example has.

    Examples whose text no other has are left out, and so are tasks that have no others.
    """
    examples_of: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for task in tasks:
        rows = test_rows(task, budget)
        columns = [rows[name][:] for name in TEXTS if name in rows.column_names]
        for identity, *texts in zip(rows["id"][:], *columns, strict=True) if columns else ():
            examples_of.setdefault(tuple(texts), []).append((task.name, str(identity)))
    shared: dict[str, dict[str, int]] = {}
    several = [examples for examples in examples_of.values() if len(examples) > 1]
    for number, examples in enumerate(several):
        for task_name, identity in examples:
            shared.setdefault(task_name, {})[identity] = number
    return shared


def across_tasks(shared: Mapping[str, Mapping[str, int]]) -> bool:
    """Return whether two tasks test one text, of what :func:`shared_texts` gave: a task may also repeat its own."""
    texts_of = [{*numbers.values()} for numbers in shared.values()]
    return len({text for texts in texts_of for text in texts}) < sum(map(len, texts_of))
