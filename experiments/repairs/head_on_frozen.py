"""head-on-frozen: the control. A head for each task on the frozen backbone, fitted on the rows that repairs read.

Nothing of the stream is used. Each repair that reads labelled rows is compared with it, since rows that were kept can
be used without the shared weights. A study of repairs adds it with the rows of each repair (``control`` in its recipe);
named there as a repair, it is fitted on any number of them. No paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.experiments.repairs import Attempt, Shared
from adapter_workbench.experiments.repairs._fitted_heads import KIND, by_head, fitted, sample
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.repairs import EndOfStream


class HeadOnFrozenSettings(Settings):
    """On which rows heads are fitted.

    ``examples``: of each task's training rows, as with ``refit-head``; validation chooses a head's strength. With 0
    heads are fitted on the validation rows, all that most repairs read, and folds of these choose.
    ``validation_examples``: of each task's validation rows; all if left out. Rows are drawn with the stream's seed.
    """

    examples: int = Field(0, ge=0, le=10**9)
    validation_examples: Count | None = None


class HeadOnFrozen:
    """Its one attempt: the pretrained body, under heads that are all new."""

    settings = HeadOnFrozenSettings
    revision = 1

    def objection(self, stream: EndOfStream) -> str | None:
        """All tasks have to have labels: a mean over some of them could not be compared."""
        other = next((task for task in stream.context.tasks if task.kind != KIND), None)
        return f"{other.name} is a {other.kind} task, which no head on frozen features answers" if other else None

    def attempts(self, stream: EndOfStream, settings: HeadOnFrozenSettings) -> Iterator[Attempt]:
        """Yield one."""
        context = stream.context
        body = context.adaptation.backbone.load().eval()
        tasks = by_head(context, context.drawn)
        blank = {name: context.adaptation.fresh_head(KIND, len(own[-1].labels), 0) for name, own in tasks.items()}
        heads = {
            name: fitted(stream, Shared(body, blank), own, settings.examples, settings.validation_examples)
            for name, own in tasks.items()
        }
        training = _count(stream, "train", settings.examples) if settings.examples else 0
        validation = _count(stream, "validation", settings.validation_examples)
        yield Attempt({"rows": training + validation}, Shared(body, heads), None, training, validation)


def _count(stream: EndOfStream, split: str, size: int | None) -> int:
    """Return how many rows of a split are read, of all tasks together."""
    return sum(len(sample(stream, task, split, size)) for task in stream.context.drawn)


REPAIR = HeadOnFrozen()
