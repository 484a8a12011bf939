"""A causal language model around an adapted backbone: its own output layer, frozen, and greedy generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.backbone import Backbone
    from workbench.model import TaskModel

PROBE = [[1, 2, 3]]  # token ids


class OutputLayer(nn.Module):
    """A backbone's own map from token states to next-token logits; it has nothing to train and nothing to store.

    It computes in float32 also inside an autocast region: in bfloat16 (8 bits) near tokens become ties.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """Take over weight (vocabulary, hidden_size) and bias (vocabulary,); neither is copied."""
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        """Return logits (…, vocabulary) of states (…, hidden_size)."""
        with torch.autocast(states.device.type, enabled=False):
            return nn.functional.linear(states.float(), self.weight, self.bias)


def output_layer(backbone: Backbone) -> OutputLayer:
    """Return the output layer that a causal language model was pretrained with (often its embeddings).

    Raises:
        InputError: the backbone is none, has no such layer, or computes its logits in another way.
    """
    from transformers import AutoModelForCausalLM

    names = backbone.config.architectures or []
    if not any(name.endswith(("ForCausalLM", "GPT2LMHeadModel")) for name in names):
        raise InputError(
            f"{backbone.name!r} ({', '.join(names) or backbone.config.model_type}) is not a causal language model",
            hint="A causal-lm task needs one, for example --backbone smollm2.",
        )
    lm, told = AutoModelForCausalLM.from_pretrained(
        backbone.folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
    )
    layer = lm.get_output_embeddings()
    if told["missing_keys"] or layer is None:
        missing = ", ".join(sorted(told["missing_keys"])) or "an output layer"
        raise InputError(f"the weights of {backbone.name!r} lack {missing}", where=str(backbone.folder))
    bias = getattr(layer, "bias", None)
    own = OutputLayer(layer.weight.detach(), None if bias is None else bias.detach())
    ids = torch.tensor(PROBE)
    with torch.inference_mode():
        wanted = lm.eval()(input_ids=ids).logits
        found = own(lm.base_model(input_ids=ids).last_hidden_state)
    if not torch.allclose(found, wanted, rtol=1e-4, atol=1e-4):
        raise InputError(
            f"{backbone.name!r} computes its logits otherwise than by a linear layer on its last states",
            hint="Such an architecture (scaled or capped logits) is not supported for causal-lm tasks.",
        )
    return own


def language_model(model: TaskModel) -> Any:
    """Return transformers' own causal language model with ``model``'s body and head in it; nothing is copied."""
    from transformers import AutoModelForCausalLM

    body: Any = model.body
    with torch.device("meta"):
        lm = AutoModelForCausalLM.from_config(body.config)
    setattr(lm, lm.base_model_prefix, body.get_base_model() if _learns_a_prompt(body) else body)
    lm.set_output_embeddings(model.head)
    return lm.train(model.training)


def virtual_tokens(model: TaskModel) -> Tensor | None:
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
    found = lm.generate(
        **_asked(lm, ids, mask, virtual),
        generation_config=config,
        use_model_defaults=False,
        logits_processor=LogitsProcessorList([listen]),
    )
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
