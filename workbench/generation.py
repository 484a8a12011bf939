"""A language model around an adapted backbone: its own output layer, frozen, and greedy generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from workbench.errors import InputError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from workbench.backbone import Backbone
    from workbench.network import Network

PROBE = [[1, 2, 3]]  # token ids


def is_causal(config: PretrainedConfig) -> bool:
    """Return whether a checkpoint says that it is a causal language model."""
    return any(name.endswith(("ForCausalLM", "GPT2LMHeadModel")) for name in config.architectures or [])


def is_seq2seq(config: PretrainedConfig) -> bool:
    """Return whether a checkpoint says that it is an encoder-decoder that generates text."""
    generates = any(name.endswith("ForConditionalGeneration") for name in config.architectures or [])
    return bool(config.is_encoder_decoder) and generates


class OutputLayer(nn.Module):
    """A backbone's own map from token states to next-token logits; it has nothing to train and nothing to store.

    It computes in float32 also inside an autocast region: in bfloat16 (8 bits) near tokens become ties.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, scale: float = 1.0) -> None:
        """Take over weight (vocabulary, hidden_size) and bias (vocabulary,); neither is copied.

        ``scale`` multiplies the states first. A T5 whose output layer is its embeddings was trained with
        hidden_size^-0.5 (Raffel et al. 2020, arXiv:1910.10683; as mesh-tensorflow does).
        """
        super().__init__()
        self.scale = scale
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        """Return logits (…, vocabulary) of states (…, hidden_size)."""
        with torch.autocast(states.device.type, enabled=False):
            return nn.functional.linear(states.float() * self.scale, self.weight, self.bias)


def output_layer(backbone: Backbone) -> OutputLayer:
    """Return the output layer that a language model was pretrained with (often its embeddings).

    Raises:
        InputError: the backbone has no such layer, or computes its logits in another way.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    two_halves = is_seq2seq(backbone.config)
    loader: Any = AutoModelForSeq2SeqLM if two_halves else AutoModelForCausalLM
    lm, told = backbone.pretrained(loader)
    layer = lm.get_output_embeddings()
    if told["missing_keys"] or layer is None:
        missing = ", ".join(sorted(told["missing_keys"])) or "an output layer"
        raise InputError(f"the weights of {backbone.name!r} lack {missing}", where=str(backbone.folder))
    bias = getattr(layer, "bias", None)
    own = OutputLayer(layer.weight.detach(), None if bias is None else bias.detach(), _scale(backbone.config))
    ids = torch.tensor(PROBE)
    inputs = {"input_ids": ids, **({"decoder_input_ids": ids} if two_halves else {})}
    with torch.inference_mode():
        wanted = lm.eval()(**inputs).logits
        body = backbone.load() if two_halves else lm.base_model  # a T5's layers do not stand in a model of their own
        found = own(body(**inputs).last_hidden_state)
    if not torch.allclose(found, wanted, rtol=1e-4, atol=1e-4):
        raise InputError(
            f"{backbone.name!r} computes its logits otherwise than by a linear layer on its last states",
            hint="Such an architecture (scaled or capped logits) is not supported where answers are generated.",
        )
    return own


def _scale(config: PretrainedConfig) -> float:
    """Return what the states are multiplied by on their way to the output layer."""
    tied_t5 = config.model_type in {"t5", "mt5", "umt5"} and config.tie_word_embeddings
    return float(config.hidden_size**-0.5) if tied_t5 else 1.0


def language_model(model: Network) -> Any:
    """Return transformers' own causal language model with ``model``'s body and head in it; nothing is copied."""
    from transformers import AutoModelForCausalLM

    body: Any = model.body
    with torch.device("meta"):
        lm = AutoModelForCausalLM.from_config(body.config)
    setattr(lm, lm.base_model_prefix, body.get_base_model() if _learns_a_prompt(body) else body)
    lm.set_output_embeddings(model.head)
    return lm.train(model.training)


def virtual_tokens(model: Network) -> Tensor | None:
    """Return the learned embeddings (virtual, h) that stand before each prompt; None where the method has none."""
    body: Any = model.body
    with torch.no_grad():
        return body.get_prompt(1)[0] if _learns_a_prompt(body) else None


def _learns_a_prompt(body: Any) -> bool:
    return hasattr(body, "prompt_encoder")


def generate(
    lm: Any, ids: Tensor, mask: Tensor, limit: int, end: int, pad: int, virtual: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return what ``lm`` answers, each time its most likely token, and how likely that was.

    Args:
        lm: a causal language model of transformers.
        ids: prompts, padded on the left (batch, tokens).
        mask: 1 where there is no padding (batch, tokens).
        limit: at most so many new tokens.
        end: the token that ends an answer.
        pad: what stands after it, in answers that end early.
        virtual: embeddings that stand before every prompt (virtual, h).

    Returns:
        tokens (batch, new) and, for each, its log-probability (batch, new) in float32.
    """
    from transformers import GenerationConfig, LogitsProcessorList

    likelihoods: list[Tensor] = []

    def listen(_: Tensor, logits: Tensor) -> Tensor:  # logits (batch, vocabulary) of the next token
        likelihoods.append(logits.float().log_softmax(dim=-1).amax(dim=-1))
        return logits

    config = GenerationConfig(max_new_tokens=limit, do_sample=False, eos_token_id=end, pad_token_id=pad)
    own, lm.generation_config = lm.generation_config, config  # what is not stated would be taken from the model's own
    try:
        found = lm.generate(
            **_asked(lm, ids, mask, virtual),
            generation_config=config,
            logits_processor=LogitsProcessorList([listen]),
        )
    finally:
        lm.generation_config = own
    new = found[:, ids.shape[1] :] if virtual is None else found  # of embeddings, nothing is returned with the answer
    return new, torch.stack(likelihoods, dim=1)


def _asked(lm: Any, ids: Tensor, mask: Tensor, virtual: Tensor | None) -> dict[str, Tensor]:
    """Return what is given to ``lm``: the prompts' tokens, or their embeddings after the virtual ones."""
    if virtual is None:
        return {"input_ids": ids, "attention_mask": mask}
    before = virtual.expand(len(ids), -1, -1)  # (batch, virtual, h)
    return {
        "inputs_embeds": torch.cat([before, lm.get_input_embeddings()(ids)], dim=1),
        "attention_mask": torch.cat([mask.new_ones(before.shape[:2]), mask], dim=1),
    }


def decode(model: Network, ids: Tensor, mask: Tensor, limit: int, end: int, pad: int) -> tuple[Tensor, Tensor]:
    """Return what an encoder-decoder answers, as :func:`generate` does for a causal language model.

    The text is encoded once, and each new token is read with the states of those before it in a cache. The adapted body
    itself is called at every step, so that whatever a method does to a forward pass it does here.

    Args:
        model: its body is an encoder-decoder, its head the output layer.
        ids: texts (batch, tokens).
        mask: 1 where there is no padding (batch, tokens).
        limit: at most so many new tokens.
        end: the token that ends an answer.
        pad: what stands after it, in answers that end early.
    """
    from transformers.modeling_outputs import BaseModelOutput

    body: Any = model.body
    last = torch.full_like(ids[:, :1], body.config.decoder_start_token_id)  # (batch, 1)
    tokens, likelihoods, ended = [], [], torch.zeros_like(last, dtype=torch.bool)
    read: dict[str, Any] = {"input_ids": ids}
    for _ in range(limit):
        with model.autocast(ids.device.type):
            found = body(attention_mask=mask, decoder_input_ids=last, use_cache=True, **read)
        read = {
            "encoder_outputs": BaseModelOutput(last_hidden_state=found.encoder_last_hidden_state),
            "past_key_values": found.past_key_values,
        }
        told, last = model.head(found.last_hidden_state.float()[:, -1]).log_softmax(dim=-1).max(dim=-1, keepdim=True)
        last = last.masked_fill(ended, pad)
        ended = ended | (last == end)
        tokens.append(last)
        likelihoods.append(told)
        if bool(ended.all()):
            break
    return torch.cat(tokens, dim=1), torch.cat(likelihoods, dim=1)
