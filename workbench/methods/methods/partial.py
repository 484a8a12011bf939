"""Partial fine-tuning: only the last blocks are trained, all at once or one more each epoch from the top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from adapter_workbench.workbench.backbone import architecture
from adapter_workbench.workbench.methods.method import FitHooks, Method
from adapter_workbench.workbench.settings.base import MethodSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from torch import nn
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.methods.method import FitLength

LAST = 2  # blocks, where the settings do not say
RELATIVE = "rel_embeddings"  # DeBERTa's; what lies beside them is for them, or for the first block
BEFORE = {  # parts that act before the first block or in all of them, and may be defined after the last
    *("layernorm_embedding", "embeddings_layer_norm", "input_embedding", "segment_embedding"),
    *("relative_attention_bias", "position_bias", "rel_pos_bias", RELATIVE),
}


class Settings(MethodSettings):
    """``last_k`` blocks are trained, or all but the first ``freeze_below``; 2 if neither is given.

    An encoder's blocks come before a decoder's. What stands after the last block (a final normalisation) is trained
    along; embeddings, and relative positions that all blocks share, are not. ``gradual``: in epoch e the last e of
    these blocks.
    """

    learning_rate: float = 5e-4
    last_k: int | None = Field(None, ge=1, le=10_000)
    freeze_below: int | None = Field(None, ge=0, le=10_000)
    unfreeze: Literal["at-once", "gradual"] = "at-once"

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.last_k is not None and self.freeze_below is not None:
            raise ValueError("give last_k or freeze_below, not both")
        return self

    def frozen_blocks(self, blocks: int) -> int:
        """Return how many of so many blocks stay as they are; negative where more are asked for than there are."""
        return blocks - (self.last_k or LAST) if self.freeze_below is None else self.freeze_below


def configure(settings: Settings, config: PretrainedConfig) -> Callable[[str], bool]:
    """Return which parameters are trained, by their names."""
    blocks = architecture.blocks(config)
    first = f"{blocks[settings.frozen_blocks(len(blocks))]}."
    names = architecture.parameters(config)
    begin = next(index for index, name in enumerate(names) if name.startswith(first))
    inside = tuple(f"{block}." for block in blocks)
    relative = tuple(name.partition(RELATIVE)[0] for name in names if RELATIVE in name)
    return frozenset(
        name
        for name in names[begin:]
        if name.startswith(inside) or not (BEFORE.intersection(name.split(".")) or name.startswith(relative))
    ).__contains__


def objection(settings: Settings, config: PretrainedConfig, kind: str) -> str | None:
    """There have to be so many blocks, and one to train."""
    blocks = len(architecture.blocks(config))
    if 0 <= settings.frozen_blocks(blocks) < blocks:
        return None
    asked = (
        f"last_k {settings.last_k or LAST}"
        if settings.freeze_below is None
        else f"freeze_below {settings.freeze_below}"
    )
    return f"{asked} does not fit its {blocks} blocks"


def hooks(settings: Settings, body: nn.Module, length: FitLength) -> FitHooks:
    """Return the gradual unfreezing (Howard & Ruder 2018, sec. 3.3).

    What is still frozen takes no gradient in a step. It counts as trained between steps, so that the optimiser, the
    best epoch and checkpoints know it from the first epoch on.
    """
    if settings.unfreeze == "at-once":
        return FitHooks()
    trained = [(name, parameter) for name, parameter in body.named_parameters() if parameter.requires_grad]
    blocks = [
        block for block in architecture.blocks(body.config) if any(name.startswith(f"{block}.") for name, _ in trained)
    ]

    def freeze(done: int) -> None:
        waiting = tuple(f"{block}." for block in blocks[: -(1 + done // length.epoch)])
        for name, parameter in trained:
            parameter.requires_grad = not name.startswith(waiting)

    def thaw(done: int) -> None:
        for _, parameter in trained:
            parameter.requires_grad = True

    return FitHooks(before_step=freeze, after_step=thaw)


METHOD = Method(
    title="Partial fine-tuning",
    paper="Yosinski et al. 2014, arXiv:1411.1792; gradual: Howard & Ruder 2018 (ULMFiT), arXiv:1801.06146, sec. 3.3",
    library="plain",
    settings=Settings,
    configure=configure,
    objection=objection,
    hooks=hooks,
    trains_backbone=True,
)
