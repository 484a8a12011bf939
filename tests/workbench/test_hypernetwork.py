"""What the network makes is an ordinary LoRA."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file

from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.methods import METHODS


def test_the_stored_lora_is_what_the_network_makes_and_begins_as_no_change(backbone: Backbone, tmp_path: Path) -> None:
    card = METHODS.get("hypernetwork")
    library, config = LIBRARIES.get(card.library), card.configure(card.settings(rank=2), backbone.config)
    body, ids = library.attach(backbone.load(), config), torch.tensor([[2, 5, 6, 3]])
    with torch.inference_mode():
        bare = backbone.load()(input_ids=ids).last_hidden_state
        assert torch.equal(body.eval()(input_ids=ids).last_hidden_state, bare)
    for parameter in body.generator.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    library.save(body, tmp_path)

    stored = load_file(tmp_path / "adapter_model.safetensors")
    made = body.generator()
    assert {tuple(tensor.shape) for tensor in stored.values()} == {(2, 32), (32, 2)}
    assert len(stored) == len(made) == 2 * 2 * backbone.config.num_hidden_layers
    assert sorted(tensor.sum().item() for tensor in stored.values()) == sorted(tensor.sum().item() for tensor in made)
    opened = library.load(backbone.load(), tmp_path, config)
    weights = [module.weight for name, module in opened.named_modules() if name.endswith(("A.default", "B.default"))]
    assert all(map(torch.equal, weights, made)), "there before the first pass, for who reads weights alone"
    ordinary = PeftModel.from_pretrained(backbone.load(), tmp_path).eval()
    with torch.inference_mode():
        states = body(input_ids=ids).last_hidden_state
        assert torch.equal(ordinary(input_ids=ids).last_hidden_state, states)
        assert not torch.equal(states, bare)
