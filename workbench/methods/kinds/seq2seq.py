"""seq2seq: an encoder-decoder reads a text and answers in words; tests generate the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.answer_options import options_of
from adapter_workbench.workbench.backbone.architecture import is_seq2seq
from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches, pad_rows
from adapter_workbench.workbench.backbone.generation import decode
from adapter_workbench.workbench.backbone.output_layer import output_layer
from adapter_workbench.workbench.backbone.prompts import end_token, end_tokens
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.answer_rows import limits
from adapter_workbench.workbench.methods.kinds._free_text import AnswersInWords, likelihoods_of
from adapter_workbench.workbench.methods.kinds._generating import Ended, Write
from adapter_workbench.workbench.methods.kinds._programs import SEQ2SEQ

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.backbone.pretrained import Backbone


class Seq2Seq(AnswersInWords):
    """The backbone's own output layer, frozen; loss on the answer; greedy generation, scored as each row says.

    A text is cut at ``max_length`` tokens. An answer is what the tokenizer makes of it, its end token included, cut to
    ``max_new_tokens``; the two do not share a length, as they are read by two halves of the model.
    """

    pipeline_tag = "text2text-generation"
    usage = SEQ2SEQ
    padded = "right"

    def objection(self, config: PretrainedConfig) -> str | None:
        """Only an encoder-decoder with an output layer answers a text in words of its own."""
        return None if is_seq2seq(config) else "is not an encoder-decoder that generates text (a T5 is one)"

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return the backbone's output layer."""
        return output_layer(backbone)

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the texts, cut at the end; raises InputError where something was said before one."""
        if any(row.earlier for row in options_of(rows)):
            raise InputError("an encoder-decoder reads one text: send one message, of the user")
        ids = tokenise(tokenizer, rows["text"][:], truncation=True, max_length=max_length)["input_ids"]
        return [{"input_ids": tokens, "attention_mask": [1] * len(tokens)} for tokens in ids]

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Count the tokens of each text and of each answer, special tokens included."""
        texts = tokenise(tokenizer, rows["text"][:], verbose=False)["input_ids"]
        return [len(ids) for ids in texts], [len(ids) for ids in _targets(rows["answer"][:], tokenizer)]

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the texts, each with the tokens of its answer as labels."""
        end = end_token(tokenizer)
        questions = self.questions(rows, tokenizer, max_length)
        answers = zip(_targets(rows["answer"][:], tokenizer), limits(rows), strict=True)
        cut = [ids if len(ids) <= limit else [*ids[: limit - 1], end] for ids, limit in answers]
        return [{**row, "labels": ids} for row, ids in zip(questions, cut, strict=True)]

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad texts, and answers, on the right to the longest of the batch."""
        return lambda rows: pad_rows(rows, tokenizer.pad_token_id, "right")

    def read(self, model: Network, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the decoder's states: of the text it repeats (batch, tokens, h), or of answer tokens (tokens, h)."""
        if labels is None:
            return model.states(**inputs), None
        learned = labels != IGNORED
        return _answering(model, inputs, labels)[learned], labels[learned]

    def writer(self, model: Network, tokenizer: PreTrainedTokenizerBase) -> Write:
        """Return what generates while texts that are padded on the right are read."""
        ends, pad = end_tokens(tokenizer), tokenizer.pad_token_id

        def write(batch: dict[str, Tensor], limit: int, ended: Ended) -> tuple[Tensor, Tensor]:
            return decode(model, batch["input_ids"], batch["attention_mask"], limit, ends, pad, ended)

        return write

    def right_log_probabilities(
        self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> list[NDArray[np.float32]]:
        """Return the log-probability of each token of each right answer, end token included."""

        def tell(_: list[int], batch: dict[str, Tensor]) -> list[NDArray[np.float32]]:
            labels = batch.pop("labels")
            return likelihoods_of(model.head, _answering(model, batch, labels), labels)

        return in_batches(tell, model, self.encode(rows, tokenizer, max_length), self.collate(tokenizer))


def _answering(model: Network, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Return the decoder's states over ``labels``: the state at t has read the labels before t and predicts label t."""
    config: Any = model.body.config
    start = torch.full_like(labels[:, :1], config.decoder_start_token_id)
    shifted = torch.cat([start, labels[:, :-1]], dim=1)
    filler = config.pad_token_id if config.pad_token_id is not None else config.decoder_start_token_id
    return model.states(**inputs, decoder_input_ids=shifted.masked_fill(shifted == IGNORED, filler))


def _targets(answers: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    end = end_token(tokenizer)
    targets = tokenise(tokenizer, text_target=answers, verbose=False)["input_ids"]
    return [ids if ids[-1:] == [end] else [*ids, end] for ids in targets]


KIND = Seq2Seq()
