"""The prediction head that the package ``adapters`` saves beside an adapter: what its config says, and its layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

CONFIG, WEIGHTS, PICKLED = "head_config.json", "model_head.safetensors", "pytorch_model_head.bin"
FLEXIBLE = {  # head_type of a model with heads of its own → the kind of task here
    "classification": "classification",
    "multilabel_classification": "multilabel",
    "tagging": "token-classification",
    "causal_lm": "causal-lm",
    "seq2seq_lm": "seq2seq",
}
STATIC = {  # end of the name of a class of transformers → the kinds of task here
    "ForSequenceClassification": ("classification", "multilabel"),
    "ForTokenClassification": ("token-classification",),
    "ForCausalLM": ("causal-lm",),
    "LMHeadModel": ("causal-lm",),
    "ForConditionalGeneration": ("seq2seq",),
}
ACTIVATIONS = {  # as the package calls them → as they are called here (:mod:`.layered_head`)
    "tanh": "tanh",
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "swish": "silu",
    "silu": "silu",
    "leakyrelu": "leaky_relu",
}

UNNAMED = {"LABEL_0": 0, "LABEL_1": 1}


@dataclass(frozen=True)
class HeadConfig:
    """What ``head_config.json`` says."""

    document: Mapping[str, Any]  # the whole of it
    where: str  # the file

    @property
    def flexible(self) -> Mapping[str, Any] | None:
        """The config of a head that the package itself made; None where it is that of a class of transformers."""
        config = self.document.get("config")
        return config if isinstance(config, dict) else None

    @property
    def name(self) -> str:
        """What it is called in the weights; empty for a class of transformers."""
        name = self.document.get("name")
        return name if isinstance(name, str) and self.flexible else ""

    @property
    def made_for(self) -> str:
        """What it is for, in the package's words."""
        return str((self.flexible or {}).get("head_type") or self.document.get("model_class"))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of task that it can answer; none where there is no such kind here."""
        if self.flexible:
            kinds = tuple(kind for made_for, kind in FLEXIBLE.items() if made_for == self.made_for)
        else:
            kinds = next((kinds for end, kinds in STATIC.items() if self.made_for.endswith(end)), ())
        return ("regression",) if "classification" in kinds and self._size == 1 else kinds

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of its labels in the order of its numbers; None where it has none.

        transformers leaves two in a config whose labels were not named under ``label2id``, whatever their number is.

        Raises:
            InputError: the numbers are not 0, 1, 2, ….
        """
        named = (self.flexible or self.document).get("label2id")
        if not isinstance(named, dict) or not named or (named == UNNAMED and self._size != len(UNNAMED)):
            return None
        if not all(isinstance(number, int) for number in named.values()) or (
            sorted(named.values()) != [*range(len(named))]
        ):
            message = f"label2id: the numbers of the labels are {sorted(map(str, named.values()))}"
            raise InputError(message, where=self.where, hint="They have to be 0, 1, 2, …, one for each label.")
        return tuple(sorted(named, key=lambda label: int(named[label])))

    @property
    def _size(self) -> Any:
        return (self.flexible or self.document).get("num_labels")


def rows(head: HeadConfig, folder: Path, static: Callable[[], str]) -> int | None:
    """Return the rows of a stored head's last layer; None where its weights are not there.

    Args:
        head: what its config says.
        folder: with its weights.
        static: gives the name of that layer's weight in a class of transformers.
    """
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, framework="pt") as tensors:
        names = list(tensors.keys())
        if head.flexible:
            layers = [re.fullmatch(rf"heads\.{re.escape(head.name)}\.(\d{{1,9}})\.weight", name) for name in names]
            numbered = {int(match[1]): match[0] for match in layers if match}
            last = numbered[max(numbered)] if numbered else ""
        else:
            last = static()
        shape = tensors.get_slice(last).get_shape() if last in names else ()
        return int(shape[0]) if shape else None


def head_named(
    head: HeadConfig, tensors: Mapping[str, Tensor], name: str
) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """Return config and weights of a head under another name; heads that were saved with it are left out.

    Args:
        head: what its config says.
        tensors: by their names in its file.
        name: of the adapter beside it.
    """
    if not head.flexible:  # it has no name
        return head.document, dict(tensors)
    start = f"heads.{head.name}."
    own = {key.removeprefix(start): tensor for key, tensor in tensors.items() if key.startswith(start)}
    return {**head.document, "name": name}, {f"heads.{name}.{key}": tensor for key, tensor in own.items()}


def layers_of(head: Any) -> dict[str, nn.Module]:
    """Return the layers of a head that the package made, its activations among them and its dropout left out.

    Raises:
        InputError: it has an activation that there is not here.
    """
    from torch import nn

    from adapter_workbench.workbench.methods import layered_head

    layers: dict[str, nn.Module] = {}
    for name, module in head.named_children():
        if isinstance(module, nn.Linear | nn.LayerNorm):
            layers[name] = module
        elif not isinstance(module, nn.Dropout):
            called = str(head.config.get("activation_function")).lower()
            if called not in ACTIVATIONS:
                hint = f"These are: {', '.join(ACTIVATIONS)}."
                raise InputError(f"activation_function: {called!r} of its head cannot be repeated here", hint=hint)
            layers[name] = layered_head.ACTIVATIONS[ACTIVATIONS[called]]()
    return layers
