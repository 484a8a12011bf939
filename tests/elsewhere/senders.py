"""What senders do: they train with their own programs, write a folder, and know what their model answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.network import completed

if TYPE_CHECKING:
    from adapter_workbench.workbench.methods.adaptation import Adaptation

TEXTS = ["the cat often", "a plum very", "some dog", "this one that quite really"]


def drawn(module: nn.Module, seed: int = 7, spread: float = 0.3) -> None:
    """Give every weight that is trained numbers that a training could have left; peft begins with zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, weight in sorted(module.named_parameters()):
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=generator) * spread)


def assert_comes_back(adaptation: Adaptation, reader: Adaptation, body: nn.Module, kind: str, folder: Path) -> None:
    """Make sure that a body of ``adaptation``, stored in ``folder``, answers the same where ``reader`` loads it."""
    drawn(body.eval(), spread=0.05)
    adaptation.library.save(body, folder)
    reader.require_described(folder)
    again = reader.load(folder, nn.Identity(), kind).body.eval()
    tokens = torch.arange(5, 14)[None]
    with torch.inference_mode():
        assert torch.equal(again(input_ids=tokens).last_hidden_state, body(input_ids=tokens).last_hidden_state)


def answers(model: Any, base: Path) -> Tensor:
    """Return the logits of a sender's model of all texts, padded to one batch."""
    tokenizer = open_backbone(str(base)).tokenizer
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits: Tensor = model.eval()(**completed(model.config, dict(batch))).logits
    return logits


def sent_by_peft(
    base: Path, folder: Path, config: Any, loader: str = "AutoModelForSequenceClassification", **options: Any
) -> Callable[[], Tensor]:
    """Write what plain peft writes of an adapter on ``base``; return its model's answers."""
    model = trained_by_peft(base, config, loader, **options)
    model.save_pretrained(folder)
    logits = answers(model, base)
    return lambda: logits


def trained_by_peft(base: Path, config: Any, loader: str = "AutoModelForSequenceClassification", **options: Any) -> Any:
    """Return a model of plain peft on ``base`` as a training could have left it."""
    import transformers
    from peft import get_peft_model

    torch.manual_seed(0)
    model: Any = get_peft_model(getattr(transformers, loader).from_pretrained(base, **options), config)
    drawn(model)
    model.create_or_update_model_card = lambda *_: None  # which takes a third of a test's time
    return model


def imported(
    base: Path, folder: Path, workspace: Path, labels: tuple[str, ...] = ("x", "y", "z"), **options: Any
) -> Any:
    """Return what a sender wrote as a stored adapter of a new workspace."""
    from adapter_workbench.experiments.api import Workbench

    return Workbench(workspace, []).exchange.import_adapter(folder, str(base), labels=labels, **options)


def answers_here(stored: Any, base: Path) -> Tensor:
    """Return the logits of a stored adapter of all texts, padded to one batch."""
    from adapter_workbench.workbench.methods.stored_model import open_adapter

    backbone = open_backbone(str(base))
    return logits_of(open_adapter(stored, backbone), backbone)


def agree(here: Tensor, sent: Tensor, pooling: str) -> bool:
    """Return whether logits are the sender's to the last bit.

    The sender of a decoder asks its head at every token, and here it is asked at the last one alone: on some processors
    a product of another shape rounds otherwise.
    """
    if pooling == "last":
        return torch.allclose(here, sent, rtol=0, atol=1e-6 * float(sent.abs().max()))
    return torch.equal(here, sent)


def logits_of(model: Any, backbone: Any) -> Tensor:
    """Return the logits of an opened adapter of all texts, padded to one batch."""
    batch = backbone.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits: Tensor = model(**batch)["logits"]
    return logits
