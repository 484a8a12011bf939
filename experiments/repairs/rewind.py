"""rewind: the final weights are interpolated with those after an earlier stage; validation says which and how far.

W(k, α) = (1 − α) W_T + α W_k, W_k after stage k. Of LoRAs it is the updates that are interpolated, (1 − α) ΔW_T +
α ΔW_k, not their factors. A head moves as far, in the rows that it had at stage k. No paper: it is merge-back with a
state of the stream in the pretrained weights' place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from adapter_workbench.experiments.repairs import Attempt
from adapter_workbench.experiments.repairs._path import between, without_path
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.repairs import EndOfStream


class RewindSettings(Settings):
    """``shares``: the α that are tried, on the way to each of ``states`` earlier states, spread over the stream."""

    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=100)] = (0.25, 0.5, 0.75)
    states: int = Field(4, ge=1, le=1000)


class Rewind:
    """Its attempts are points on the way to earlier states, as far as these were kept."""

    settings = RewindSettings
    revision = 1

    def objection(self, stream: EndOfStream) -> str | None:
        """An earlier state has to be there, trained in place or a LoRA."""
        earlier = len(stream.states) > 1
        return without_path(stream) or (
            None if earlier else "no earlier state was kept (run the recipe with keep_states: all)"
        )

    def attempts(self, stream: EndOfStream, settings: RewindSettings) -> Iterator[Attempt]:
        """Yield one for each earlier state and α, the latest state first."""
        earlier = sorted(stream.states)[:-1]
        indices = np.linspace(0, len(earlier) - 1, min(settings.states, len(earlier))).round().astype(int)
        for stage in (earlier[index] for index in reversed(indices)):
            for share in settings.shares:
                yield Attempt({"stage": stage, "share": share}, between(stream, stream.at(stage), share))


REPAIR = Rewind()
