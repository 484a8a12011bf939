"""intruders: directions of a LoRA's matrices that the pretrained ones did not have are made weaker.

Among the strongest ``top_k`` left singular vectors of W + ΔW, an intruder has a cosine below ``threshold_epsilon`` with
every one of W; λ of its singular value is kept, and ΔW is cut to the LoRA's rank again (Shuttleworth et al. 2024,
arXiv:2410.21228). The work is peft's ``reduce_intruder_dimension``, whose documentation says that λ is subtracted; its
program, and the paper, keep λ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from adapter_workbench.experiments.repairs import Attempt, Shared
from adapter_workbench.experiments.repairs._path import without_lora
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Share, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.repairs import EndOfStream


class IntruderSettings(Settings):
    """Named as in peft; ``mitigation_lambda`` are the shares of an intruder's singular value that are tried."""

    top_k: Size = 10
    threshold_epsilon: Share = 0.5
    mitigation_lambda: Annotated[tuple[Share, ...], Field(min_length=1, max_length=100)] = (0.75, 0.5, 0.25, 0.0)


class Intruders:
    """Its attempts are shares that are left of the intruders."""

    settings = IntruderSettings
    revision = 1

    def objection(self, stream: EndOfStream) -> str | None:
        """The weights have to be a LoRA, on matrices that can be read."""
        if stream.context.adaptation.backbone.quantization:
            return "the backbone's matrices are packed, and have no singular vectors to compare with"
        return without_lora(stream)

    def attempts(self, stream: EndOfStream, settings: IntruderSettings) -> Iterator[Attempt]:
        """Yield one for each λ."""
        from peft.tuners.lora.intruders import reduce_intruder_dimension

        for kept in settings.mitigation_lambda:
            shared = stream.open()
            body: Any = shared.body
            reduce_intruder_dimension(
                body,
                top_k=settings.top_k,
                threshold_epsilon=settings.threshold_epsilon,
                mitigation_lambda=kept,
                logging_sink=None,
            )
            yield Attempt({"mitigation_lambda": kept}, Shared(body.eval(), shared.heads))


REPAIR = Intruders()
