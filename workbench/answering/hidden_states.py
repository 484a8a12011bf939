"""Hidden states of every layer, pooled to one vector a text as the backbone pools its last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapter_workbench.workbench.backbone.batching import in_batches

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class HiddenStates:
    """One model on a task's training and validation examples."""

    # (layers + 1, examples, hidden_size); 0 are the embeddings. An encoder-decoder's layers are the blocks of its
    # encoder and after them those of its decoder, which reads the text too
    train: NDArray[np.float32]
    held: NDArray[np.float32]  # the same of the validation split


def hidden_states(model: TaskModel, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> HiddenStates:
    """Run ``model`` over both splits; answers are left out, as when features are read."""
    return HiddenStates(*(_layers(model, task.splits[name], tokenizer, max_length) for name in ("train", "validation")))


def _layers(
    model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> NDArray[np.float32]:
    """Return (layers + 1, examples, hidden_size)."""

    def call(_: list[int], batch: dict[str, Tensor]) -> NDArray[np.float32]:
        batch.pop("labels", None)
        mask = batch["attention_mask"]
        with model.autocast(mask.device.type):
            output: Any = model.body(**model.complete(batch), output_hidden_states=True)
        pooled = torch.stack([model.pool(states.float(), mask) for states in _of_all_blocks(output)], dim=1)
        vectors: NDArray[np.float32] = pooled.cpu().numpy()  # (batch, layers + 1, hidden_size)
        return vectors

    encoded = model.kind.questions(rows, tokenizer, max_length)
    return np.stack(in_batches(call, model, encoded, model.kind.collate(tokenizer)), axis=1)


def _of_all_blocks(output: Any) -> tuple[Tensor, ...]:
    """Return the embeddings and what each block puts out; the decoder's embeddings are the encoder's, moved a place."""
    if hasattr(output, "encoder_hidden_states"):
        return (*output.encoder_hidden_states, *output.decoder_hidden_states[1:])
    states: tuple[Tensor, ...] = output.hidden_states
    return states
