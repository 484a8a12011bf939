"""What all settings share: typed, frozen, strict about keys and numbers; and what every fit and method takes."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, field_validator
from pydantic_core import CoreSchema

from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.settings.bounds import BatchSize, Count, LearningRate, Share, Tokens
from adapter_workbench.workbench.settings.document import Document, SettingsT, read
from adapter_workbench.workbench.settings.strict import keep_bounds, strict_schema
from adapter_workbench.workbench.settings.yaml_text import Key

__all__ = ["Budget", "Document", "Key", "MethodSettings", "Optimizer", "Quantization", "Settings", "SettingsT"]
__all__ += ["StoredWidth", "read", "unique"]

Quantization = Literal["nf4", "int8"]
StoredWidth = Literal["auto", "fp32", "bf16"]
Optimizer = Literal["adamw", "adamw-8bit", "paged-adamw-8bit"]


class Settings(BaseModel):
    """Base of everything that is read from a file or a command line: frozen, and strict about keys and numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return pydantic's schema, with what :mod:`adapter_workbench.workbench.settings.strict` adds to it."""
        keep_bounds(cls)
        schema: CoreSchema = strict_schema(handler(source))
        return schema


Epochs = Annotated[int, Field(ge=1, le=10_000)]


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``values``; for a field whose entries have to differ. Raises ValueError where one comes twice."""
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"named more than once: {', '.join(twice)}")
    return values


class Budget(Settings):
    """What one fit may spend; the same for every strategy of a recipe."""

    train_examples: Count | None = Field(None, description="training examples, drawn with the seed; all if null")
    eval_examples: Count | None = Field(None, description="test and validation examples; all if null")
    validation_examples: Count | None = Field(
        None, description="validation examples, drawn with the seed; as eval_examples if null"
    )
    epochs: Epochs = Field(3, description="passes over the training examples")
    batch_size: BatchSize = Field(16, description="examples in one forward pass")
    gradient_accumulation: BatchSize = Field(
        1,
        description="forward passes in one optimiser step; the mean losses of all count alike, also of a smaller batch",
    )
    max_length: Tokens = Field(128, description="tokens; longer texts are cut")
    patience: Epochs | None = Field(None, description="stop after so many epochs without a better validation score")
    balanced: bool = Field(False, description="draw as many training examples of each class")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 if it is faster than fp32 on this machine"
    )
    checkpointing: Literal["auto", "on", "off"] = Field(
        "auto",
        description="compute activations again instead of keeping them; auto: if a step would not fit into memory",
        exclude_if=lambda chosen: chosen != "on",  # else the numbers are those without it, to the last bit
    )
    weights: StoredWidth = Field(
        "auto",
        description="frozen matrices that the checkpoint has in bfloat16 stay so (bf16), or are in float32 (fp32); "
        "no number changes. auto: bf16 if precision is, or if float32 would take over half of the memory",
        exclude_if=lambda chosen: chosen == "auto",  # keys of what was trained before this was there stay as they are
    )
    quantization: Quantization | None = Field(
        None,
        description="keep the backbone's linear layers in 4 or 8 bits",
        exclude_if=lambda chosen: chosen is None,  # keys of what was trained before this was there stay as they are
    )

    @field_validator("checkpointing", mode="before")
    @classmethod
    def _as_yaml_reads_it(cls, chosen: object) -> object:
        return {True: "on", False: "off"}[chosen] if isinstance(chosen, bool) else chosen

    def drawn(self, examples: int) -> int:
        """Return how many of a split's training examples a fit sees."""
        return min(examples, self.train_examples or examples)

    def batches(self, examples: int) -> int:
        """Return how many batches of so many examples an epoch gives to each process."""
        return math.ceil(math.ceil(examples / self.batch_size) / processes.count())

    def updates(self, examples: int) -> int:
        """Return the optimiser steps of a fit on so many examples, unless patience ends it."""
        return math.ceil(self.batches(examples) / self.gradient_accumulation) * self.epochs


class MethodSettings(Settings):
    """What every fine-tuning method takes; a method's own settings extend these."""

    learning_rate: LearningRate
    weight_decay: float = Field(0.0, ge=0, le=100)
    warmup: Share = Field(0.1, description="share of the steps in which the learning rate rises")
    optimizer: Optimizer = Field(
        "adamw",
        description="8 bits: of AdamW's two moments (Dettmers et al. 2022, arXiv:2110.02861)",
        exclude_if=lambda chosen: chosen == "adamw",
    )

    @property
    def virtual_tokens(self) -> int:
        """How many of the model's positions the method takes before each text."""
        return 0
