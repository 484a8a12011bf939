"""retrieval: frozen LoRAs of peft side by side; a text is answered by those whose tasks are nearest to its prompt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.architecture import state_width
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.libraries._places import require_all
from adapter_workbench.workbench.methods.libraries._side_by_side import hosting, save_apart, stored_apart
from adapter_workbench.workbench.methods.libraries.peft import LIBRARY as PEFT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE = "retrieval.json"  # how LoRAs are chosen, for programs that open the folder without the workbench
TASKS = "tasks.safetensors"
QUESTION = "question"  # under this name :meth:`Network.states` says which tokens are a prompt's
READ = ("input_ids", "inputs_embeds", "attention_mask", "position_ids", "token_type_ids")


@dataclass(frozen=True)
class RetrievalSettings:
    """How LoRAs are chosen, and which there are."""

    top_k: int  # how many LoRAs answer a text
    temperature: float  # of the softmax over their cosines
    weighted: bool  # whether the softmax weighs them; else each of the k has the weight 1 ÷ k
    sources: tuple[Path, ...] = ()  # folders of stored LoRAs, in order; only a composition that begins needs them
    tasks: Tensor | None = None  # an embedding of each one's task (sources, hidden_size); the same


class Retriever(nn.Module):
    """Lets each row of a batch be answered by the LoRAs whose tasks are nearest to its prompt.

    A frozen matrix W gives W x + Σ_e c_e s_e B_e A_e x for every token x of a row, with the row's own c. The c of a
    prompt stay while a cache, or the states of an encoder, say that a pass goes on with it.

    Attributes:
        names: of the LoRAs.
        config: how they are chosen.
        tasks: an embedding of each one's task (LoRAs, hidden_size).
    """

    tasks: Tensor

    def __init__(self, names: Sequence[str], tasks: Tensor, config: RetrievalSettings) -> None:
        """Take over the embeddings; no body is touched yet."""
        super().__init__()
        self.names, self.config = list(names), config
        self.register_buffer("tasks", tasks, persistent=False)
        self._rows = 0  # of the batch that was asked last
        self._answering: list[tuple[str, Tensor, Tensor]] = []  # a LoRA, which of these rows (n,), its weight in each

    def listen(self, body: Any) -> None:
        """Answer on ``body``, which hosts the LoRAs, from now on."""
        for layer in lora_layers(body).values():
            layer.enable_adapters(False)
            layer.register_forward_hook(self._add)
        body.register_forward_pre_hook(self._ask, with_kwargs=True)

    def shares(self, embeddings: Tensor) -> Tensor:
        """Return the weights c of the LoRAs for each prompt: (batch, hidden_size) → (batch, LoRAs).

        Those of the ``top_k`` largest cosines add up to 1; all others are 0.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            tasks = nn.functional.normalize(self.tasks.to(embeddings.device), dim=1)
            cosines = nn.functional.normalize(embeddings, dim=1) @ tasks.T  # (batch, LoRAs)
        best = cosines.topk(min(self.config.top_k, len(self.names)), dim=1)
        weights = (best.values / self.config.temperature).softmax(dim=1)  # (batch, k)
        if not self.config.weighted:
            weights = torch.full_like(weights, 1 / weights.shape[1])
        return torch.zeros_like(cosines).scatter(1, best.indices, weights)

    @torch.no_grad()
    def _ask(self, body: Any, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Choose for the prompts of a batch before it is answered; what goes on with prompts keeps their LoRAs."""
        read = {name: value for name, value in options.items() if name != QUESTION}
        if not _goes_on(read):
            self._answering = []  # nothing is added while the backbone reads the prompts
            self._choose(self.shares(embedding(body.get_base_model(), read, options.get(QUESTION))))
        elif not self._answering:
            hint = "Give it the whole prompts first."
            raise InputError("these tokens continue prompts that this model has not read", hint=hint)
        return args, read

    def _choose(self, shares: Tensor) -> None:
        self._rows = len(shares)
        for column in shares.any(dim=0).nonzero().squeeze(1).tolist():
            rows = shares[:, column].nonzero().squeeze(1)
            self._answering.append((self.names[column], rows, shares[rows, column]))

    def _add(self, layer: Any, inputs: tuple[Tensor, ...], result: Tensor) -> Tensor:
        """Add Σ c s B A x to the frozen layer's output, in place."""
        x = inputs[0]  # (batch, …, in)
        if self._answering and len(x) != self._rows:
            message = f"a layer got {len(x)} rows for {self._rows} prompts"
            raise InputError(message, hint="Repeat the prompts before they are read, where each has several answers.")
        for name, rows, shares in self._answering:
            if name in layer.lora_A:  # LoRAs may differ in the layers that they adapt
                update = layer.lora_B[name](layer.lora_A[name](x[rows])) * layer.scaling[name]  # (n, …, out)
                weighted = update * shares.view(-1, *[1] * (update.ndim - 1))
                result.index_add_(0, rows, weighted.to(result.dtype))
        return result


class Retrieval:
    """The LoRAs lie in folders ``task_0``, ``task_1``, …, their tasks' embeddings beside them. Nothing is trained."""

    def attach(self, body: nn.Module, config: RetrievalSettings) -> nn.Module:
        return _retrieving(hosting(body, config.sources), config.tasks, config)

    def save(self, body: Any, folder: Path) -> None:
        """Write each LoRA into a folder of its own, and the embeddings of their tasks."""
        retriever: Retriever = body.retriever
        save_apart(body, retriever.names, folder)
        save_file({"tasks": retriever.tasks.cpu().contiguous()}, folder / TASKS)
        chosen = {name: getattr(retriever.config, name) for name in ("top_k", "temperature", "weighted")}
        (folder / FILE).write_text(json.dumps(chosen), encoding="utf-8")

    def load(self, body: nn.Module, folder: Path, config: RetrievalSettings) -> nn.Module:
        """Return the body with the stored LoRAs; raises ValueError where there is not one embedding for each."""
        stored = load_file(folder / TASKS)
        require_all(stored, ["tasks"])
        return _retrieving(hosting(body, stored_apart(folder)), stored["tasks"], config)

    def detach(self, body: nn.Module) -> nn.Module:
        return PEFT.detach(body)


def _retrieving(body: Any, tasks: Tensor | None, config: RetrievalSettings) -> nn.Module:
    names, size = list(body.peft_config), state_width(body.config)
    if tasks is None or tasks.shape != (len(names), size):
        shape = "none" if tasks is None else " × ".join(map(str, tasks.shape))
        raise ValueError(f"{len(names)} LoRAs need {len(names)} × {size} numbers for their tasks, not {shape}")
    body.requires_grad_(False)
    body.retriever = Retriever(names, tasks, config)
    body.retriever.listen(body)
    body.reads_question = True  # see Network.states
    model: nn.Module = body.eval()
    return model


def _goes_on(options: Mapping[str, Any]) -> bool:
    """Return whether a pass reads more tokens of texts whose prompts were read before."""
    cache = options.get("cache", options.get("past_key_values"))  # its name in newer transformers, and in older ones
    return options.get("encoder_outputs") is not None or (cache is not None and cache.get_seq_length() > 0)


LIBRARY = Retrieval()


def embedding(backbone: Any, given: Mapping[str, Any], question: Tensor | None = None) -> Tensor:
    """Return the mean of the last states of a prompt's tokens: (batch, tokens) → (batch, hidden_size) in float32.

    Args:
        backbone: a transformer on which no adapter is active; of an encoder-decoder, the encoder reads.
        given: what the transformer is given; without an ``attention_mask`` among it, every token counts.
        question: 1 for each token of a prompt (batch, tokens), where an answer stands behind it.
    """
    reader = backbone.get_encoder() if backbone.config.is_encoder_decoder else backbone
    read = {name: given[name] for name in READ if given.get(name) is not None}
    if question is not None:
        read["attention_mask"] = question
    if "use_cache" in given:
        read["use_cache"] = False  # the cache is that of the pass which answers
    states = reader(**read).last_hidden_state.float()  # (batch, tokens, h)
    mask = read["attention_mask"] if "attention_mask" in read else torch.ones_like(states[..., 0])
    mask = mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
    mean: Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return mean
