"""merge-back: the final weights are interpolated with the pretrained ones; validation says how far (WiSE-FT).

W(α) = (1 − α) W_T + α W₀, W_T after the last task and W₀ pretrained (Wortsman et al. 2022, arXiv:2109.01903). Of
a LoRA that is (1 − α) ΔW. The paper also moves its zero-shot head; here the pretrained backbone has none, and the heads
stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from adapter_workbench.experiments.repairs import Attempt
from adapter_workbench.experiments.repairs._path import between, without_path
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.repairs import EndOfStream


class MergeBackSettings(Settings):
    """``shares``: the α that are tried."""

    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=100)] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)


class MergeBack:
    """Its attempts are points on the way back to the pretrained weights."""

    settings = MergeBackSettings
    revision = 1

    def objection(self, stream: EndOfStream) -> str | None:
        """The weights have to be trained in place, or a LoRA."""
        return without_path(stream)

    def attempts(self, stream: EndOfStream, settings: MergeBackSettings) -> Iterator[Attempt]:
        """Yield one for each α."""
        for share in settings.shares:
            yield Attempt({"share": share}, between(stream, None, share))


REPAIR = MergeBack()
