"""causal-lm: an instruction is answered in words; only the answer is trained, and tests generate it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from adapter_workbench.workbench.backbone.answer_options import GIVEN, options_of
from adapter_workbench.workbench.backbone.architecture import is_causal
from adapter_workbench.workbench.backbone.batching import IGNORED, in_batches, pad_rows
from adapter_workbench.workbench.backbone.generation import generate, language_model, virtual_tokens
from adapter_workbench.workbench.backbone.output_layer import output_layer
from adapter_workbench.workbench.backbone.prompts import Demonstrations, end_token, end_tokens, prompts
from adapter_workbench.workbench.backbone.raw_texts import raw_prompts
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.answer_rows import ROOM, limits
from adapter_workbench.workbench.methods.kinds._free_text import AnswersInWords, likelihoods_of, tokens_of
from adapter_workbench.workbench.methods.kinds._generating import Ended, Write
from adapter_workbench.workbench.methods.kinds._programs import CAUSAL_LM
from adapter_workbench.workbench.methods.running_answers import RunningAnswers

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.running_answers import ArrangeOwners


@dataclass(frozen=True)
class CausalLM(AnswersInWords):
    """The backbone's own output layer, frozen; loss on the answer alone; greedy generation, scored as each row says.

    A row has ``text`` and ``answer``, and says how an answer to it is judged (``metric``) and how many tokens it may
    take (``max_new_tokens``): so rows of several tasks can be mixed. Of ``max_length`` tokens an answer has
    ``max_new_tokens``, its end token included; what is longer is cut at its end. The rest is the prompt's, and what is
    longer is cut at its beginning. Validation generates as testing does, so that the epoch is chosen by the score that
    is reported; what that costs is bounded by ``max_new_tokens`` and the size of the validation split.
    """

    pipeline_tag: ClassVar[str] = "text-generation"
    usage: ClassVar[str] = CAUSAL_LM
    padded: ClassVar[str] = "left"
    demonstrations: Demonstrations = ()  # solved examples that stand before every question

    def objection(self, config: PretrainedConfig) -> str | None:
        """Only a causal language model can continue a prompt."""
        return None if is_causal(config) else "is not a causal language model (smollm2 is one)"

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return the backbone's output layer; raises InputError unless it is a causal language model."""
        return output_layer(backbone)

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the prompts; of a long one the beginning is left out.

        That of a chat is not, which would lose turns, nor that of a text that is read as it is.

        Raises:
            InputError: ``max_length`` leaves a prompt no token, or no room for such a text or a chat of several turns.
        """
        questions = []
        asked = zip(self._prompts(rows, tokenizer), limits(rows), options_of(rows), strict=True)
        for ids, limit, options in asked:
            if options.raw:
                questions.append(_raw_question(ids, max_length))
                continue
            if limit >= max_length:
                raise InputError(
                    f"max_length {max_length} leaves no token for a prompt before an answer of up to {limit} tokens",
                    hint=f"Raise it (--set budget.max_length={limit + 96}), or lower the task's max_new_tokens.",
                )
            if options.earlier and len(ids) > max_length - limit:
                message = f"the chat has {len(ids)} tokens, and its adapter reads at most {max_length - limit}"
                raise InputError(f"{message} beside an answer of up to {limit}: leave out earlier messages")
            kept = ids[limit - max_length :]
            questions.append({"input_ids": kept, "attention_mask": [1] * len(kept)})
        return questions

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Count the tokens of each prompt, chat template included, and of each answer with its end token."""
        questions, answers = self._prompts(rows, tokenizer), tokens_of(rows["answer"][:], tokenizer)
        return [len(ids) for ids in questions], [len(ids) + 1 for ids in answers]

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return prompt, answer and end token; the labels of the prompt's tokens are −100."""
        end = end_token(tokenizer)
        answers = tokens_of(rows["answer"][:], tokenizer)
        questions = [row["input_ids"] for row in self.questions(rows, tokenizer, max_length)]
        encoded = []
        for question, answer, limit in zip(questions, answers, limits(rows), strict=True):
            target = [*answer[: limit - 1], end]
            ids, labels = [*question, *target], [IGNORED] * len(question) + target
            encoded.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels})
        return encoded

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad on the right to the longest row of the batch."""
        return lambda rows: pad_rows(rows, tokenizer.pad_token_id, "right")

    def read(self, model: Network, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the token states (batch, tokens, h); with labels, those before answer tokens (answer tokens, h)."""
        if labels is None:
            return model.states(**inputs), None
        states = model.states(**inputs, question=_prompt_mask(inputs, labels))
        following = labels[:, 1:]  # the state at t predicts token t + 1
        learned = following != IGNORED
        return states[:, :-1][learned], following[learned]

    def writer(self, model: Network, tokenizer: PreTrainedTokenizerBase) -> Write:
        """Return what generates after prompts that are padded on the left."""
        ends, pad = end_tokens(tokenizer), tokenizer.pad_token_id
        lm, virtual = language_model(model), virtual_tokens(model)

        def write(batch: dict[str, Tensor], limit: int, ended: Ended) -> tuple[Tensor, Tensor]:
            ids, mask = batch["input_ids"], batch["attention_mask"]
            with model.autocast(ids.device.type):
                return generate(lm, ids, mask, limit, ends, pad, virtual, ended)

        return write

    def running(
        self, model: Network, tokenizer: PreTrainedTokenizerBase, arrange: ArrangeOwners | None = None
    ) -> RunningAnswers | None:
        """See :meth:`Generates.running`; None where virtual tokens stand before the prompts."""
        learned = virtual_tokens(model) is not None
        return None if learned else RunningAnswers(model, language_model(model), tokenizer, arrange)

    def _prompts(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
        if GIVEN in rows.column_names:
            return raw_prompts(rows["text"][:], rows[GIVEN][:], tokenizer)
        texts = prompts(rows["text"][:], tokenizer, self.demonstrations, [row.earlier for row in options_of(rows)])
        tokens = tokens_of(texts, tokenizer)
        if empty := next((text for text, ids in zip(texts, tokens, strict=True) if not ids), None):
            message = f"the tokenizer turns the prompt {empty!r} into no tokens"
            raise InputError(message, hint="Is the text empty? Leave it out.")
        return tokens

    def right_log_probabilities(
        self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> list[NDArray[np.float32]]:
        """Return the log-probability of each token of each right answer, end token included."""

        def tell(_: list[int], batch: dict[str, Tensor]) -> list[NDArray[np.float32]]:
            labels = batch.pop("labels")
            states = model.states(**batch, question=_prompt_mask(batch, labels))
            return likelihoods_of(model.head, states[:, :-1], labels[:, 1:])

        return in_batches(tell, model, self.encode(rows, tokenizer, max_length), self.collate(tokenizer))


def _raw_question(ids: list[int], max_length: int) -> dict[str, Any]:
    """Return the prompt, and how long an answer may get beside it; raises InputError where there is no room for any."""
    if len(ids) >= max_length:
        message = f"the prompt has {len(ids)} tokens, and its adapter reads at most {max_length} with the answer"
        raise InputError(f"{message}: send a shorter one")
    return {"input_ids": ids, "attention_mask": [1] * len(ids), ROOM: max_length - len(ids)}


def _prompt_mask(inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Return 1 for each token of a prompt, 0 for its answer and for padding: (batch, tokens)."""
    return inputs["attention_mask"] * (labels == IGNORED)


KIND = CausalLM()
