"""The programs in the cards of exported folders, one for each kind: Jinja templates as those of stored adapters."""

from __future__ import annotations

from workbench.methods.kinds._programs import (
    BATCH,
    GENERATED,
    LABELS,
    ONE_LABEL,
    OUTPUT_IN_FLOAT32,
    PROMPTS,
    TAGS,
    TOKENS,
    VIRTUAL,
)

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
OF_TEXTS = IMPORTS + OPENED + TOKENIZER + BATCH.replace("{{ reader }}", "model") + LOGITS
TO_GENERATE = 'lm = model{{ ".get_base_model()" if library == "prompts" }}\n'  # peft pads between a prompt and a text
TO_DECODE = "lm = model\n"
FROM_OUTPUT = "from transformers.modeling_outputs import BaseModelOutput\n"
SEQ2SEQ = """\
config, output = lm.config, lm.get_output_embeddings()
tokenizer = AutoTokenizer.from_pretrained(backbone, clean_up_tokenization_spaces=False)
options = {"truncation": True, "max_length": {{ budget.max_length }}, "padding": True, "padding_side": "right"}
batch = tokenizer(texts, return_token_type_ids=False, return_tensors="pt", **options)
last = torch.full_like(batch["input_ids"][:, :1], config.decoder_start_token_id)
said, ended = [], torch.zeros_like(last, dtype=torch.bool)
read, reader, mask = {"input_ids": batch["input_ids"]}, lm, batch["attention_mask"]
with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled={{ precision == "bf16" }}):
    for _ in range({{ task.max_new_tokens }}):
        found = reader(attention_mask=mask, decoder_input_ids=last, use_cache=True, **read)
        encoded = BaseModelOutput(last_hidden_state=found.encoder_last_hidden_state)
        cache = "cache" if "cache" in found else "past_key_values"  # its name in newer transformers, and in older ones
        read = {"encoder_outputs": encoded, cache: found.get(cache)}
{%- if library == "prompts" %}
        if reader is lm:  # the virtual tokens are encoded already
            virtual = mask.new_ones(len(mask), encoded.last_hidden_state.shape[1] - mask.shape[1])
            reader, mask = lm.get_base_model(), torch.cat([virtual, mask], dim=1)
{%- endif %}
        last = found.logits[:, -1:].argmax(dim=-1).masked_fill(ended, tokenizer.pad_token_id)
        ended = ended | (last == tokenizer.eos_token_id)
        said.append(last)
answers = [text.strip() for text in tokenizer.batch_decode(torch.cat(said, dim=1), skip_special_tokens=True)]
print(answers)
"""
PROGRAMS = {
    "classification": OF_TEXTS + ONE_LABEL,
    "multilabel": OF_TEXTS + LABELS,
    "regression": OF_TEXTS + "print(logits[:, 0].double().tolist())\n",
    "token-classification": IMPORTS + OPENED + TOKENIZER + TOKENS + LOGITS + TAGS,
    "causal-lm": IMPORTS
    + OPENED
    + TO_GENERATE
    + OUTPUT_IN_FLOAT32
    + PROMPTS
    + VIRTUAL.replace("body.", "model.")
    + GENERATED,
    "seq2seq": IMPORTS + FROM_OUTPUT + OPENED + TO_DECODE + OUTPUT_IN_FLOAT32 + SEQ2SEQ,
}
