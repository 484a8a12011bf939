"""refit-head: heads of earlier tasks are fitted again, on what the final weights make of a few kept examples.

What comes back was forgotten by the head alone (Zheng et al. 2025, arXiv:2501.13453, call that spurious forgetting; the
probe head-refit measures it). The head is a logistic regression, whose strength validation picks; a head that all tasks
share is fitted on the examples of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.repairs import Attempt, Shared
from adapter_workbench.experiments.repairs._fitted_heads import KIND, by_head, fitted, sample
from adapter_workbench.experiments.repairs._path import without_body
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.repairs import EndOfStream


class RefitHeadSettings(Settings):
    """``examples``: kept of each task's training rows, drawn with the stream's seed."""

    examples: Count = 128


class RefitHead:
    """Its one attempt: the body stays, heads of classification tasks are new; the last task's own head stays too."""

    settings = RefitHeadSettings
    revision = 1

    def objection(self, stream: EndOfStream) -> str | None:
        """An earlier task has to have labels."""
        if all(task.kind != KIND for task in stream.context.tasks[:-1]):
            return f"no earlier task is a {KIND} task, whose head could be fitted"
        return without_body(stream)

    def attempts(self, stream: EndOfStream, settings: RefitHeadSettings) -> Iterator[Attempt]:
        """Yield one."""
        from adapter_workbench.experiments.strategies._heads import head_name  # torch comes with it

        shared, context = stream.open(), stream.context
        last = head_name(context, context.tasks[-1])
        fits = by_head(context, (task for task in context.drawn if task.kind == KIND))
        if not context.scenario.shares_head:
            fits.pop(last, None)
        heads = {name: fitted(stream, shared, tasks, settings.examples) for name, tasks in fits.items()}
        rows = [len(sample(stream, task, "train", settings.examples)) for tasks in fits.values() for task in tasks]
        chosen = {"examples": min(settings.examples, max(rows))}
        yield Attempt(chosen, Shared(shared.body, {**shared.heads, **heads}), training_rows=sum(rows))


REPAIR = RefitHead()
