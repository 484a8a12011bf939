"""An exported folder of peft: its config, its tensors, and a card that begins with how it is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.sent_form import SentForm, sent_form
from adapter_workbench.workbench.adapters.stored_adapter import README
from adapter_workbench.workbench.answering.for_peft.placed import LIBRARIES, PROMPTS, Placed
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import _programs as of_kinds

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

FIRST = """\
Opens with peft {oldest} or newer; `FOLDER` is this folder, or its name on the hub:

```python
{torch}from peft import PeftModel
from transformers import {loader}{imports}

model = {loader}.from_pretrained({base}{options})
model = PeftModel.from_pretrained(model, "FOLDER")
```

"""
BARE = """\
That is the transformer alone: the program below puts {head} on it. It is not written for a class with a head: {why}.

"""
PADDED_BEFORE = "causal-lm"  # a kind whose texts are padded on the left
ALONE = """\
Give `model.generate` one text at a time: peft would have the padding of a batch stand between the virtual tokens and
the text. The program below puts it before both. Where transformers is 5.24 or newer and peft older than 0.22, say
`use_cache=False` too: `model.generate` would have the virtual tokens again before each token that it writes.

"""
# The oldest version of peft that opens an exported folder, and answers alike; tests/neighbours tries them. Versions
# before 0.6 pass over keys that they do not know, later ones stop at them: a folder that names a newer key would be
# another adapter there, or none.
OF_TYPE: Mapping[str, str] = {  # not always the first version that has the type: some computed something else at first
    **dict.fromkeys(("LORA", "IA3"), "0.4.0"),
    "LOHA": "0.6.0",
    "ADALORA": "0.10.0",  # with modules that have no direction left
    "BOFT": "0.11.0",
    **dict.fromkeys(("FOURIERFT", "HRA", "VERA"), "0.12.0"),
    "VBLORA": "0.13.0",
    **dict.fromkeys(("LOKR", "PROMPT_TUNING", "P_TUNING"), "0.14.0"),
    **dict.fromkeys(("C3A", "RANDLORA"), "0.16.0"),
    **dict.fromkeys(("MISS", "SHIRA"), "0.17.0"),
    **dict.fromkeys(("DELORA", "OFT", "ROAD", "WAVEFT"), "0.18.0"),
    "GRALORA": "0.19.0",
}
OF_KEY: Mapping[str, str] = {  # the first version that has the key
    "loftq_config": "0.7.0",
    "use_rslora": "0.8.0",
    "use_dora": "0.9.0",
    "layer_replication": "0.10.0",
    **dict.fromkeys(("exclude_modules", "lora_bias"), "0.14.0"),
    **dict.fromkeys(("rank_pattern", "alpha_pattern"), "0.15.0"),  # with names that begin where the model does
    "trainable_token_indices": "0.15.0",
    **dict.fromkeys(("use_qalora", "qalora_group_size"), "0.16.0"),
    "target_parameters": "0.17.0",
    **dict.fromkeys(("peft_version", "alora_invocation_tokens", "arrow_config", "ensure_weight_tying"), "0.18.0"),
    "use_bdlora": "0.19.0",
    **dict.fromkeys(("velora_config", "monteclora_config"), "0.20.0"),
    "kasa_config": "0.21.0",
}
OF_BOTH: Mapping[tuple[str, str], str] = {("ADALORA", "rank_pattern"): "0.10.0"}  # it has them from the beginning
IMPORTS = """\
import torch
from peft import PeftModel
from transformers import {{ loader }}, AutoTokenizer{{ ', BitsAndBytesConfig' if packed }}
"""
OPENED = """
model = {{ loader }}.from_pretrained(backbone{{ arguments }}, dtype=torch.float32{{ packed }})
model = PeftModel.from_pretrained(model, folder).eval()
"""
TOKENIZER = """\
tokenizer = AutoTokenizer.from_pretrained(backbone)
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
"""
LOGITS = """\
with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled={{ precision == "bf16" }}):
    logits = model(**batch).logits.float()
"""
OF_TEXTS = IMPORTS + OPENED + TOKENIZER + of_kinds.BATCH.replace("{{ reader }}", "model") + LOGITS
TO_GENERATE = 'lm = model{{ ".get_base_model()" if library == "prompts" }}\n'  # peft pads between a prompt and a text
TO_DECODE = "lm = model\n"
FROM_OUTPUT = "from transformers.modeling_outputs import BaseModelOutput\n"
OF_CONFIG = "config = lm.config\n"
SEQ2SEQ = OF_CONFIG + of_kinds.WRITTEN.replace("@READER@", "lm").replace("@LOGITS@", "found.logits[:, -1:]")
PROGRAMS = {  # of each kind: Jinja templates as those of stored adapters
    "classification": OF_TEXTS + of_kinds.ONE_LABEL,
    "multilabel": OF_TEXTS + of_kinds.LABELS,
    "regression": OF_TEXTS + "print(logits[:, 0].double().tolist())\n",
    "token-classification": IMPORTS + OPENED + TOKENIZER + of_kinds.TOKENS + LOGITS + of_kinds.TAGS,
    "causal-lm": IMPORTS
    + OPENED
    + TO_GENERATE
    + of_kinds.OUTPUT_IN_FLOAT32
    + of_kinds.PROMPTS
    + of_kinds.VIRTUAL.replace("body.", "model.")
    + of_kinds.GENERATED,
    "seq2seq": IMPORTS + FROM_OUTPUT + OPENED + TO_DECODE + of_kinds.OUTPUT_IN_FLOAT32 + SEQ2SEQ,
}


def is_of_peft(manifest: Manifest) -> bool:
    """Return whether an adapter's folder is one adapter of peft."""
    return manifest.library in LIBRARIES and {CONFIG, PEFT_WEIGHTS, README} <= manifest.files.keys()


def write_for_peft(stored: StoredAdapter, placed: Placed, folder: Path) -> SentForm:
    """Give the files of a copy of an adapter the form in which peft opens them; return what makes them as they were.

    Args:
        stored: the adapter, of which :func:`is_of_peft` is true.
        placed: how it is opened.
        folder: has a copy of its files.
    """
    form = sent_form(stored.folder, stored.manifest.files, (CONFIG, README), PEFT_WEIGHTS, placed.names)
    (folder / CONFIG).write_text(json.dumps(placed.config, indent=2, sort_keys=True), encoding="utf-8")
    (folder / README).write_text(_card(stored.manifest, placed), encoding="utf-8")
    if placed.names:
        tensors = {placed.names[name]: tensor for name, tensor in load_file(folder / PEFT_WEIGHTS).items()}
        save_file({**tensors, **placed.head}, folder / PEFT_WEIGHTS, metadata={"format": "pt"})
    return form


def oldest_peft(config: Mapping[str, Any]) -> str:
    """Return the oldest version that reads an exported config, in which nothing stands at its default."""
    kind = config["peft_type"]
    of_keys = (OF_BOTH.get((kind, key), OF_KEY.get(key)) for key, value in config.items() if value)
    return max(filter(None, (OF_TYPE[kind], *of_keys)), key=lambda version: [*map(int, version.split("."))])


def _card(manifest: Manifest, placed: Placed) -> str:
    task_class = placed.model
    arguments = "".join(f", {name}={value!r}" for name, value in task_class.options.items())
    packed = card.packing_of(manifest.backbone.quantization, task_class.unpacked)
    first = FIRST.format(
        oldest=oldest_peft(placed.config),
        torch="import torch\n" if packed else "",
        loader=task_class.loader,
        imports=", BitsAndBytesConfig" if packed else "",
        base=repr(placed.config["base_model_name_or_path"]),
        options=f"{arguments}{', dtype=torch.float32' if packed else ''}{packed}",
    )
    if placed.why:
        head = "the output layer" if manifest.task.kind in GENERATED else "the head, which is in `head.safetensors`,"
        return card.render(manifest, opening=card.Opening(first + BARE.format(head=head, why=placed.why)))
    if manifest.library == PROMPTS and manifest.task.kind == PADDED_BEFORE:
        first += ALONE
    values = {"loader": task_class.loader, "arguments": arguments, "packed": packed}
    return card.render(manifest, opening=card.Opening(first, PROGRAMS[manifest.task.kind], values))
