"""The README of a stored adapter: what it is, and how to use it without this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2

if TYPE_CHECKING:
    from workbench.store import Manifest

POOLING = {
    "mean": 'mask = batch["attention_mask"].unsqueeze(-1).float()\n'
    "    features = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)",
    "first": 'first = batch["attention_mask"].argmax(dim=1)\n    features = states[torch.arange(len(states)), first]',
    "last": 'positions = torch.arange(states.shape[1]) * batch["attention_mask"]\n'
    "    features = states[torch.arange(len(states)), positions.argmax(dim=1)]",
}
OPENING = {
    "peft": "from peft import PeftModel\n\nbody = PeftModel.from_pretrained(body, folder)",
    "adapters": "import adapters\n\nadapters.init(body)\n"
    'body.load_adapter(folder, load_as="task", set_active=True, use_safetensors=True)',
    "plain": "from pathlib import Path\n\nif (Path(folder) / 'model.safetensors').exists():\n"
    "    body.load_state_dict(load_file(f'{folder}/model.safetensors'), strict=False)",
}
TEMPLATE = """\
# {{ id }}

{{ method }} adapter for the task **{{ task.name }}** ({{ task.kind }}: {{ task.labels | join(", ") }}) on
`{{ backbone.hub_id or backbone.name }}`; validation score {{ "%.4f" | format(fit.validation) }} after epoch
{{ fit.best_epoch }}, {{ "{:,}".format(fit.trainable_parameters) }} trained parameters.

- Data: {{ task.origin }}{{ " (" ~ task.license ~ ")" if task.license else "" }}
- Trained with {{ trained_with }}
- Everything else: `manifest.json`

## Use without the workbench

`backbone` is the folder or hub id of the backbone, `folder` is this folder, `texts` a list of strings
(of pairs of strings, where the task has pairs).

```python
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

body = AutoModel.from_pretrained(backbone, dtype=torch.float32)
{{ opening }}
body.eval()
head = load_file(f"{folder}/head.safetensors")
tokenizer = AutoTokenizer.from_pretrained(backbone)
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
batch = tokenizer(texts, truncation=True, max_length={{ budget.max_length }}, padding=True, return_tensors="pt")
with torch.inference_mode():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled={{ precision == "bf16" }}):
        states = body(**batch).last_hidden_state.float()
    {{ pooling }}
    logits = torch.nn.functional.linear(features, head["weight"], head["bias"])
labels = {{ task.labels | list }}
print([labels[index] for index in logits.argmax(dim=1)])
```
"""


def render(manifest: Manifest) -> str:
    """Return the README of an adapter, with a program that opens it using only its own library."""
    values = {name: getattr(manifest, name) for name in type(manifest).model_fields}
    trained_with = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    extra = {
        "trained_with": trained_with,
        "opening": OPENING[manifest.library],
        "pooling": POOLING[manifest.backbone.pooling],
    }
    page: str = jinja2.Template(TEMPLATE, keep_trailing_newline=True).render(**values, **extra)
    return page
