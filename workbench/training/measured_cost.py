"""What an adaptation takes to train and to answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

LABEL_TOKENS = "said"  # its key in documents, from before the field had its name


@dataclass(frozen=True)
class MeasuredCost:
    """What an adaptation takes to train and to answer, measured in this process and nothing else counted."""

    device: str  # what it was measured on (``cpu``, ``cuda``)
    repetitions: int  # of every timing; the median of them is told
    tokens: int  # in the batch that was trained on, padding not counted
    before_mb: float | None  # memory of the process (or the device) with the model in it, before the first step, in MB
    peak_mb: float | None  # the highest during the steps; None, as all numbers of a step, where nothing is trained
    forward_seconds_per_token: float | None  # of a training step
    backward_seconds_per_token: float | None  # of a training step
    update_seconds: float | None  # what clipping, the optimiser and the method's own work around it take, a step
    inference_ms: float  # the adapted model's forward pass, milliseconds an example
    bare_inference_ms: float  # the same of the pretrained backbone alone
    # the same with the update written into the backbone's weights; None where that cannot be
    merged_inference_ms: float | None
    texts: int = 0  # in the batch that was trained on; 0, as the next two, in a record of before this was kept
    length: int = 0  # tokens of each, padding counted
    # tokens of the batch with a loss of their own (of answers); 0 also where there is a head of labels
    label_tokens: Annotated[int, Field(alias=LABEL_TOKENS)] = 0

    __pydantic_config__: ClassVar = ConfigDict(serialize_by_alias=True)

    @property
    def step_mb(self) -> float | None:
        """What a training step needs beyond the model itself, in MB."""
        return None if self.peak_mb is None or self.before_mb is None else self.peak_mb - self.before_mb

    def as_json(self) -> dict[str, Any]:
        """Return the fields by their keys in documents."""
        fields = asdict(self)
        return fields | {LABEL_TOKENS: fields.pop("label_tokens")}
