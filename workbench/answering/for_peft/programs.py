"""The programs in the cards of exported folders, one for each kind: Jinja templates as those of stored adapters."""

from __future__ import annotations

from adapter_workbench.workbench.methods.kinds._programs import (
    BATCH,
    GENERATED,
    LABELS,
    ONE_LABEL,
    OUTPUT_IN_FLOAT32,
    PROMPTS,
    TAGS,
    TOKENS,
    VIRTUAL,
    WRITTEN,
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
OF_CONFIG = "config = lm.config\n"
SEQ2SEQ = OF_CONFIG + WRITTEN.replace("@READER@", "lm").replace("@LOGITS@", "found.logits[:, -1:]")
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
