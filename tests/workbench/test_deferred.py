"""Names whose import waits for their use: they are what they name, and numbers are the same to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import environment
from workbench.transformers_api import is_five

NUMBERS = """
import hashlib, json, sys
if sys.argv[1] == "deferred":
    from workbench.deferred import defer
    defer()
import torch, transformers
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
torch.manual_seed(0)
torch.set_num_threads(1)
model = get_peft_model(AutoModelForCausalLM.from_pretrained(sys.argv[2]), LoraConfig(target_modules=["q_proj"]))
early = "sympy" in sys.modules
tokens = torch.tensor([[1, 5, 6, 7], [1, 9, 0, 0]])
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
for _ in range(2):
    loss = model(input_ids=tokens, attention_mask=tokens.clamp(max=1), labels=tokens).loss
    loss.backward()
    optimizer.step()
said = model.generate(input_ids=tokens[:1], max_new_tokens=3, do_sample=False)
packed, state = quantize_4bit(torch.randn(64, 64), quant_type="nf4")
numbers = [loss.detach(), said, dequantize_4bit(packed, state), *model.state_dict().values()]
digest = hashlib.sha256(b"".join(number.contiguous().numpy().tobytes() for number in numbers)).hexdigest()
names = sorted({*dir(transformers), *dir(transformers.models)})
print(json.dumps([digest, names, early]))
"""

NAMES = """
import json, sys
from workbench.deferred import defer
defer()
import torch, transformers.modeling_utils as models
from transformers.generation import candidate_generator
from transformers.integrations.tensor_parallel import ALL_PARALLEL_STYLES
from transformers import masking_utils
told = {"no instance of what was never imported": isinstance(torch.zeros(1), models.DTensor)}
told["imported by then"] = sorted({"torch._dynamo", "torch.distributed.tensor", "sklearn", "scipy"} & set(sys.modules))
told["curve"] = [each.tolist() for each in candidate_generator.roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])]
from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
told["mask"] = isinstance(masking_utils.TransformGetItemToIndex(), TransformGetItemToIndex)
from torch.distributed.tensor import DTensor, Replicate, Shard
styles = ALL_PARALLEL_STYLES["colwise"]
told["layouts"] = [styles.input_layouts == (Replicate(),), styles.output_layouts == (Shard(-1),)]
told["instances"] = isinstance(torch.zeros(1), models.DTensor)
told["called"] = models.DTensor.from_local is DTensor.from_local
print(json.dumps(told))
"""


def program(text: str, *arguments: str) -> Any:
    """Return what a program prints, run in a process of its own."""
    there = environment(PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments], env=there, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_numbers_do_not_depend_on_when_something_is_imported(llama: Path) -> None:
    usual, names, imported = program(NUMBERS, "usual", str(llama))
    deferred, names_deferred, imported_early = program(NUMBERS, "deferred", str(llama))
    assert usual == deferred
    assert names == names_deferred
    assert len(names) > 3000, "all that transformers has"
    if not is_five():
        assert imported, "else nothing here has to wait for anything"
        assert not imported_early


@pytest.mark.skipif(is_five(), reason="these are the modules of transformers 4.57")
def test_a_name_is_what_it_names_once_it_is_used() -> None:
    told = program(NAMES)
    false, true = told["curve"][0], told["curve"][1]
    assert (false, true) == ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])  # the example of scikit-learn's page
    assert not told["no instance of what was never imported"]
    assert told["imported by then"] == []
    assert told["mask"]
    assert told["layouts"] == [True, True]
    assert not told["instances"]
    assert told["called"]
