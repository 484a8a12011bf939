"""The programs in adapters' READMEs, one for each kind: Jinja templates that :mod:`workbench.card` fills."""

CLASSIFICATION = """\
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer{{ ', BitsAndBytesConfig' if packed }}

body = AutoModel.from_pretrained(backbone, dtype=torch.float32{{ packed }})
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
"""

CAUSAL_LM = """\
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer{{ ', BitsAndBytesConfig' if packed }}

body = AutoModel.from_pretrained(backbone, dtype=torch.float32{{ packed }})
{{ opening }}
lm = AutoModelForCausalLM.from_pretrained(backbone, dtype=torch.float32)
setattr(lm, lm.base_model_prefix, body{{ ".get_base_model()" if library == "prompts" }})  # the output layer stays
lm.eval()
{% if precision == "bf16" -%}
output = lm.get_output_embeddings()
in_float32 = torch.autocast("cpu", enabled=False)
output.forward = in_float32(lambda x: torch.nn.functional.linear(x.float(), output.weight, output.bias))
{% endif -%}
tokenizer = AutoTokenizer.from_pretrained(backbone, padding_side="left", truncation_side="left")
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
{%- if library == "prompting" %}
before = "".join(f"{asked}\\n{said}\\n\\n" for asked, said in shown)
earlier = [{"role": role, "content": each} for pair in shown for role, each in zip(("user", "assistant"), pair)]
{%- else %}
before, earlier = "", []
{%- endif %}
prompts, end = [f"{tokenizer.bos_token or ''}{before}{text}\\n" for text in texts], tokenizer.eos_token_id
if tokenizer.chat_template:
    turns = [[*earlier, {"role": "user", "content": text}] for text in texts]
    prompts = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "\N{WHITE SMILING FACE}"}]
    rest = tokenizer.apply_chat_template(turn, tokenize=False).partition("\N{WHITE SMILING FACE}")[2]
    end = (tokenizer(rest, add_special_tokens=False)["input_ids"] or [end])[0]
options = {"truncation": True, "max_length": {{ budget.max_length - task.max_new_tokens }}, "padding": True}
batch = tokenizer(prompts, add_special_tokens=False, return_token_type_ids=False, return_tensors="pt", **options)
{% if library == "prompts" -%}
virtual = body.get_prompt(len(texts)).detach()
batch = {
    "inputs_embeds": torch.cat([virtual, body.word_embeddings(batch["input_ids"])], dim=1),
    "attention_mask": torch.cat([torch.ones(virtual.shape[:2], dtype=torch.long), batch["attention_mask"]], dim=1),
}
{% endif -%}
with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled={{ precision == "bf16" }}):
    found = lm.generate(
        **batch,
        max_new_tokens={{ task.max_new_tokens }},
        do_sample=False,
{%- if library in ("adapters", "adapterfusion", "mixture") %}
        use_cache=False,  # adapters 1.3 loses the cache of some architectures
{%- endif %}
        repetition_penalty=1.0,
        eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
    )
new = found{{ "" if library == "prompts" else '[:, batch["input_ids"].shape[1] :]' }}
answers = [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
print(answers)
"""
