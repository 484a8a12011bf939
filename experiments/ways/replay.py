"""replay: the champion goes on learning from the new rows, mixed with a memory of old ones.

Experience replay (Chaudhry et al. 2019, arXiv:1902.10486). Read are all new rows and ``memory`` old ones that the newer
version still has, drawn from the seed; each is as often in a pass as any other. What differs: the paper sees each row
once and fills its memory meanwhile; here all old rows are at hand, and the memory says how many may be read.

200 rows are what the strategy of this name keeps, so that both are comparable; they are read again in every pass.
"""

from __future__ import annotations

from datasets import concatenate_datasets
from pydantic import Field

from adapter_workbench.experiments.strategies import _memory
from adapter_workbench.experiments.strategies._memory import Policy
from adapter_workbench.experiments.ways import Learned, UpdateContext, Way
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Count


class ReplaySettings(Settings):
    """What is remembered."""

    memory: Count = Field(200, description="old rows that are read")
    policy: Policy = Field(
        "balanced", description="as many rows of each label (balanced), or a uniform sample (reservoir)"
    )


def learn(update: UpdateContext) -> Learned:
    """Return the champion's model, trained on the new rows and the memory."""
    settings, name = update.settings, update.task.name
    drawn = _memory.remember(None, update.old_rows, name, settings.memory, settings.policy, 0, update.seed)
    model = update.champion_model()
    return Learned(model, update.fit(model, concatenate_datasets([update.rows, _memory.by_task(drawn)[name]])))


WAY = Way(
    title="Experience replay",
    paper="Chaudhry et al. 2019, arXiv:1902.10486",
    settings=ReplaySettings,
    learn=learn,
    needs_old_rows=lambda settings: True,
)
