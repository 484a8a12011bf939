"""The README of a stored adapter: what it is, and how to use it without this package."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from adapter_workbench.workbench.measures.markdown import code, escape
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.settings.base import Quantization

MEAN = """\
mask = batch["attention_mask"].unsqueeze(-1).float()
    features = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)"""
FIRST = """\
first = batch["attention_mask"].argmax(dim=1)
    features = states[torch.arange(len(states)), first]"""
LAST = """\
positions = torch.arange(states.shape[1]) * batch["attention_mask"]
    features = states[torch.arange(len(states)), positions.argmax(dim=1)]"""
POOLING = {"mean": MEAN, "first": FIRST, "last": LAST}
WITH_PROMPT = (  # before it is pooled
    'virtual = torch.ones(len(states), states.shape[1] - batch["attention_mask"].shape[1], dtype=torch.long)\n'
    '    batch["attention_mask"] = torch.cat([virtual, batch["attention_mask"]], dim=1)  # the prompt counts\n    '
)
PEFT = """\
from peft import PeftModel

body = PeftModel.from_pretrained(body, folder)"""
PROMPTS = f"""\
{PEFT}


def text_only(body, given, named, found):  # virtual tokens have states too
    text = named.get('decoder_input_ids', named['input_ids'])
    found.last_hidden_state = found.last_hidden_state[:, -text.shape[1] :]


body.register_forward_hook(text_only, with_kwargs=True)"""
ADAPTERS = """\
import adapters

adapters.init(body)
body.load_adapter(folder, load_as="task", set_active=True, use_safetensors=True)
if any('.prefix_tunings.' in name for name, _ in body.named_parameters()):
    body.set_attn_implementation('eager')  # others mask a prefix wrongly where no text is padded"""
ADAPTERFUSION = """\
from pathlib import Path

import adapters

adapters.init(body)
for source in sorted(Path(folder).glob('source-*')):
    body.load_adapter(str(source), load_as=source.name, use_safetensors=True)
body.load_adapter_fusion(f'{folder}/fusion', set_active=True, use_safetensors=True)
for name, layer in body.named_modules():
    if name.endswith('adapter_fusion_layer.fusion'):  # bf16 is slow on tensors that are not contiguous
        layer.register_forward_pre_hook(lambda layer, given: tuple(each.contiguous() for each in given))"""
PLAIN = """\
from pathlib import Path

for file in Path(folder).glob('model*.safetensors'):
    body.load_state_dict(load_file(file), strict=False)"""
DIFF = """\
delta = load_file(f'{folder}/delta.safetensors')
with torch.no_grad():
    for name in {key.rpartition('.')[0] for key in delta}:
        body.get_parameter(name).view(-1)[delta[f'{name}.places']] += delta[f'{name}.values']"""
PROMPTING = """\
import json
from pathlib import Path

shown = json.loads(Path(folder, "demonstrations.json").read_text(encoding="utf-8"))  # texts and answers"""
ARROW = """\
import json
from pathlib import Path

from peft import ArrowConfig, create_arrow_model

experts = sorted(map(str, Path(folder).glob('task_*')), key=lambda each: int(each.rpartition('_')[2]))
chosen = ArrowConfig(**json.loads(Path(folder, 'arrow.json').read_text(encoding='utf-8')))
body = create_arrow_model(body, experts, chosen)"""
RETRIEVAL = """\
import json
from pathlib import Path

from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

loras = sorted(Path(folder).glob("task_*"), key=lambda each: int(each.name.rpartition("_")[2]))
tasks = load_file(f"{folder}/tasks.safetensors")["tasks"]  # (LoRAs, hidden size)
chosen = json.loads(Path(folder, "retrieval.json").read_text(encoding="utf-8"))
body = PeftModel.from_pretrained(body, str(loras[0]), loras[0].name)
for lora in loras[1:]:
    body.load_adapter(str(lora), lora.name)
shares = []  # of the LoRAs in each text (LoRAs, texts); empty while the backbone reads the texts


def add(layer, given, result):
    for lora, share in zip(loras, shares):
        if lora.name in layer.lora_A:
            update = layer.lora_B[lora.name](layer.lora_A[lora.name](given[0])) * layer.scaling[lora.name]
            result = result + (update * share.view(-1, *[1] * (update.ndim - 1))).to(result.dtype)
    return result


def choose(body, given, named):
    cache = named.get("cache", named.get("past_key_values"))
    if named.get("encoder_outputs") is not None or (cache is not None and cache.get_seq_length()):
        return  # answers go on with the LoRAs of their prompts
    shares.clear()
    bare, names = body.get_base_model(), ("input_ids", "attention_mask", "position_ids", "token_type_ids")
    reader = bare.get_encoder() if bare.config.is_encoder_decoder else bare
    read = reader(**{name: named[name] for name in names if named.get(name) is not None})
    mask = named["attention_mask"].unsqueeze(-1)
    prompts = (read.last_hidden_state.float() * mask).sum(dim=1) / mask.sum(dim=1)
    cosines = torch.cosine_similarity(prompts.unsqueeze(1), tasks, dim=-1)  # (texts, LoRAs)
    best = cosines.topk(min(chosen["top_k"], len(loras)), dim=1)
    weights = (best.values / chosen["temperature"]).softmax(dim=1)
    if not chosen["weighted"]:
        weights = torch.full_like(weights, 1 / weights.shape[1])
    shares.extend(torch.zeros_like(cosines).scatter(1, best.indices, weights).T)


for layer in body.modules():
    if isinstance(layer, LoraLayer):
        layer.enable_adapters(False)
        layer.register_forward_hook(add)
body.register_forward_pre_hook(choose, with_kwargs=True)"""
MIXTURE = (
    "from pathlib import Path\n\nwhole = folder\n"
    + "".join(
        f"folder = f'{{whole}}/{name}'\nif Path(folder).is_dir():\n{textwrap.indent(opening, '    ')}\n"
        for name, opening in (("plain", PLAIN), ("adapters", ADAPTERS), ("peft", PEFT))  # peft renames layers: last
    )
    + "folder = whole"
)
OPENING = {  # library → the lines that put its adapter on a backbone, as the card prints them
    "peft": PEFT,
    "hypernetwork": PEFT,
    "prompts": PROMPTS,
    "adapters": ADAPTERS,
    "adapterfusion": ADAPTERFUSION,
    "plain": PLAIN,
    "diff": DIFF,
    "prompting": PROMPTING,
    "arrow": ARROW,
    "retrieval": RETRIEVAL,
    "mixture": MIXTURE,
}
TRANSFORMER = "transformer"  # under which a whole model's folder is told that its transformer lies in
ACTIVATION = {  # of a head's layers → a function, where torch.nn.functional has none of that name
    "tanh": "torch.tanh",
    "gelu_tanh": "torch.nn.GELU('tanh')",
    "unit": "torch.nn.functional.normalize",
}
KEPT = "pooler"  # of a packed backbone, as it is in float32
PACKED = {
    None: "",
    "nf4": ', quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4",\n'
    "    bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32, llm_int8_skip_modules={kept})",
    "int8": ", quantization_config=BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules={kept})",
}
AS_ASKED = {"multilabel": "top_k=None, ", "regression": 'function_to_apply="none", '}  # of a pipeline
PIPELINE = """\
from transformers import pipeline

options = {"truncation": True, "max_length": {{ budget.max_length }}}
{% if task.kind == "token-classification" -%}
answer = pipeline("{{ pipeline }}", model=folder, aggregation_strategy="first")
print(answer(texts))
{%- else -%}
answer = pipeline("{{ pipeline }}", model=folder)
{% if task.pair -%}
texts = [{"text": first, "text_pair": second} for first, second in texts]
{% endif -%}
print(answer(texts, {{ as_asked[task.kind] }}**options))
{%- endif %}
"""
TEMPLATE = """\
# {{ id }}

{{ first }}{{ title }}{{ ", written into its backbone's weights," if merged and not whole }}
for the task **{{ task_name }}** ({{ kind }}){% if not whole %} on
{{ base }}{{ bits }}{% endif %}; {% if elsewhere -%}
trained elsewhere, and written by {{ elsewhere.program }}.
{%- else -%}
{% if fit.validation is not none %}validation score {{ "%.4f" | format(fit.validation) }} after epoch
{{ fit.best_epoch }}, {% endif %}{{ "{:,}".format(fit.trainable_parameters) }} trained parameters.
{%- endif %}

- Backbone: {{ "the model itself" if whole else base }}{{ backbone_license }}
{% if elsewhere -%}
- Data: unknown, and so is whether texts that it is tested on were among them
{%- if elsewhere.head %}
- Head: a logistic regression, fitted where it was imported on the frozen features of
  {{ "{:,}".format(elsewhere.head.examples) }} training examples of {{ head_task }} ({{ head_origin }})
{%- endif %}
{%- else -%}
- Data: {{ origin }}{{ data_license }}
- Trained with {{ trained_with }}
{%- if update %}
- Made by `workbench update` from {{ update.champion }}, by the way `{{ update.way }}`;
  {{ "{:,}".format(update.new_rows) }} training rows are new, changed or relabelled since
{%- endif %}
{%- endif %}
{{ "" if merged else "- Everything else: `manifest.json`\n" }}
## Use without the workbench

{{ places }}, `texts` a list of strings
(of pairs of strings, where the task has pairs).

```python
{{ usage }}```
"""


@dataclass(frozen=True)
class Opening:
    """How a folder is opened that does not have the stored form."""

    first: str  # what stands before everything else, as Markdown that ends with an empty line
    program: str | None = None  # a template in place of that of the kind; None where that one opens this form too
    values: Mapping[str, Any] = field(default_factory=dict)  # what the template has beside those of every card


def render(manifest: Manifest, merged: bool = False, standard: bool = False, opening: Opening | None = None) -> str:
    """Return the README of an adapter, with a program that opens it using only its own library.

    Args:
        manifest: the adapter's.
        merged: whether it is written into its backbone, which is opened as any model is.
        standard: whether a pipeline of transformers answers by itself.
        opening: how the folder is opened where it does not have the stored form.
    """
    opening = opening or Opening("")
    if merged:
        manifest = manifest.model_copy(update={"library": "plain"})
    standard = standard or (not merged and _answers_by_itself(manifest))
    values = {name: getattr(manifest, name) for name in type(manifest).model_fields}
    extra = {
        **_words(manifest),
        "opening": "" if merged or manifest.is_whole else _opening(manifest),
        "merged": merged,
        "whole": manifest.is_whole,
        "as_asked": AS_ASKED,
        "title": "A whole model" if manifest.is_whole else f"{escape(manifest.method)} adapter",
        "places": _folder_note(manifest, merged, standard),
        "bits": f" in {manifest.backbone.quantization}" if manifest.backbone.quantization else "",
        "packed": packing_of(manifest.backbone.quantization),
        "pooling": _pooling(manifest),
        "logits": _logits(manifest),
        "first": opening.first,
    }
    kind = KINDS.get(manifest.task.kind)
    program = opening.program or (PIPELINE if standard else kind.usage)
    usage = _fill(program, {**values, **extra, "pipeline": kind.pipeline_tag, **opening.values})
    return _fill(TEMPLATE, {**values, **extra, "usage": usage})


def packing_of(quantization: Quantization | None, beside: Sequence[str] = ()) -> str:
    """Return the argument by which a program loads a backbone in few bits; empty where it is not kept so.

    Args:
        quantization: of the backbone.
        beside: layers beside the transformer's that stay as they are.
    """
    return PACKED[quantization].format(kept=[KEPT, *beside])


def _opening(manifest: Manifest) -> str:
    """Return the lines of a program that put an adapter on its backbone."""
    return PEFT if manifest.head and manifest.head.virtual else OPENING[manifest.library]


def _pooling(manifest: Manifest) -> str:
    """Return the lines of a program that make features of token states."""
    if manifest.head is None:
        return POOLING[manifest.backbone.pooling]
    return f"{WITH_PROMPT if manifest.head.virtual else ''}{POOLING[manifest.head.pooling]}"


def _answers_by_itself(manifest: Manifest) -> bool:
    """Return whether a whole model's own files hold its head, so that a pipeline of transformers answers with it."""
    came = manifest.elsewhere
    own = came is not None and came.program == "transformers" and came.head is None
    return manifest.is_whole and own and manifest.task.kind not in GENERATED


def _folder_note(manifest: Manifest, merged: bool, standard: bool) -> str:
    """Return what a program's names of folders mean."""
    if merged or not manifest.is_whole:
        other = "`backbone` is the folder or hub id of the backbone, `folder` is this folder"
        return "`backbone` and `folder` are both this folder" if merged else other
    inner = manifest.elsewhere.original.get(TRANSFORMER, "") if manifest.elsewhere else ""
    backbone_folder = (
        code(str(Path(manifest.linked.folder) / inner)) if manifest.linked else code(inner) if inner else ""
    )
    if standard or not backbone_folder:
        return f"`folder` is {backbone_folder}" if backbone_folder else "`backbone` and `folder` are both this folder"
    return f"`backbone` is {backbone_folder}{'' if manifest.linked else ' in this folder'}, `folder` is this folder"


def _logits(manifest: Manifest) -> str:
    """Return the lines of a program that make logits of features."""
    function = "torch.nn.functional"
    if manifest.head is None:
        return f'logits = {function}.linear(features, head["weight"], head["bias"])'
    lines = ["logits = features"]
    for index, layer in enumerate(manifest.head.layers):
        weights = f'head["{index}.weight"], head.get("{index}.bias")'
        if layer == "linear":
            lines.append(f"logits = {function}.linear(logits, {weights})")
        elif layer == "norm":
            width = f'head["{index}.weight"].shape'
            lines.append(f"logits = {function}.layer_norm(logits, {width}, {weights}, {manifest.head.eps})")
        else:
            lines.append(f"logits = {ACTIVATION.get(layer, f'{function}.{layer}')}(logits)")
    return "\n    ".join(lines)


def _words(manifest: Manifest) -> dict[str, str]:
    """Return the texts of the template that others wrote, escaped."""
    task, backbone = manifest.task, manifest.backbone
    head = manifest.elsewhere.head if manifest.elsewhere else None
    labels = ", ".join(task.labels)
    return {
        "task_name": escape(task.name),
        "kind": escape(f"{task.kind}: {labels}" if labels else task.kind),
        "base": code(backbone.hub_id or backbone.name),
        "origin": escape(task.origin),
        "head_task": escape(head.task) if head else "",
        "head_origin": escape(head.origin) if head else "",
        "backbone_license": escape(f", licence: {backbone.license}") if backbone.license else "",
        "data_license": escape(f", licence: {task.license}") if task.license else "",
        "trained_with": escape(", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
    }


def _fill(template: str, values: dict[str, Any]) -> str:
    page: str = jinja2.Template(template, keep_trailing_newline=True).render(**values)
    return page
