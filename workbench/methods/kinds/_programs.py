"""The programs in adapters' READMEs, one for each kind: Jinja templates that :mod:`.card` fills."""

from adapter_workbench.workbench.backbone.prompts import STOPPED

BODY = """\
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer{{ ', BitsAndBytesConfig' if packed }}

body = AutoModel.from_pretrained(backbone, dtype=torch.float32{{ packed }})
{{ opening }}
body.eval()
stored = load_file(f"{folder}/head.safetensors")
head = {name: each.clone() for name, each in stored.items()}  # where it lies in memory may decide the last bit
tokenizer = AutoTokenizer.from_pretrained(backbone)
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
"""

DECODER = """\
if body.config.is_encoder_decoder:  # the decoder reads the text too, one place later
    start = torch.full_like(batch["input_ids"][:, :1], body.config.decoder_start_token_id)
    batch["decoder_input_ids"] = torch.cat([start, batch["input_ids"][:, :-1]], dim=1)
with torch.inference_mode():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled={{ precision == "bf16" }}):
        states = body(**batch).last_hidden_state.float()
"""

BATCH = """\
config, options = {{ reader }}.config, {"truncation": True, "max_length": {{ budget.max_length }}, "padding": True}
if not hasattr(config, "rope_theta") and not hasattr(config, "rope_parameters"):
    options["padding_side"] = "right"  # positions count padding
if not getattr(config, "type_vocab_size", 0) and config.model_type != "xlnet":
    options["return_token_type_ids"] = False
batch = tokenizer(texts, return_tensors="pt", **options)
"""

LOGITS = (
    BODY
    + BATCH.replace("{{ reader }}", "body")
    + DECODER
    + """\
    {{ pooling }}
    {{ logits }}
"""
)

ONE_LABEL = """\
labels = {{ task.labels | list }}
print([labels[index] for index in logits.argmax(dim=1)])
"""
CLASSIFICATION = LOGITS + ONE_LABEL

LABELS = """\
labels = {{ task.labels | list }}
print([[label for label, logit in zip(labels, row) if logit > 0] for row in logits])
"""
MULTILABEL = LOGITS + LABELS

REGRESSION = (
    LOGITS
    + """\
values = logits[:, 0].double() * {{ task.scale[1] }} + {{ task.scale[0] }}
print(values.tolist())
"""
)

TOKENS = """\
options = {"truncation": True, "max_length": {{ budget.max_length }}, "padding": True, "padding_side": "right"}
options |= {"return_token_type_ids": False, "return_offsets_mapping": True}
batch = tokenizer(texts, return_tensors="pt", **options)
offsets = batch.pop("offset_mapping").tolist()
"""
TAGS = """\
labels, tags = {{ task.labels | list }}, []
for text, spans, row in zip(texts, offsets, logits):
    word_of, first = [], {}  # a token belongs to the word in which its last character stands
    for at, one in enumerate(text):
        begins = not one.isspace() and (at == 0 or text[at - 1].isspace())
        word_of.append((word_of[-1] if word_of else -1) + begins)
    for place, (start, end) in enumerate(spans):
        if end > start and not text[end - 1].isspace():
            first.setdefault(word_of[end - 1], place)
    tags.append([labels[row[first[word]].argmax()] if word in first else None for word in range(len(text.split()))])
print(tags)
"""
TOKEN_CLASSIFICATION = BODY + TOKENS + DECODER + "    features = states\n    {{ logits }}\n" + TAGS

CAUSAL_LM_OPENED = """\
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer{{ ', BitsAndBytesConfig' if packed }}

body = AutoModel.from_pretrained(backbone, dtype=torch.float32{{ packed }})
{{ opening }}
lm = AutoModelForCausalLM.from_pretrained(backbone, dtype=torch.float32)
setattr(lm, lm.base_model_prefix, body{{ ".get_base_model()" if library == "prompts" }})  # the output layer stays
lm.eval()
"""
OUTPUT_IN_FLOAT32 = """\
{% if precision == "bf16" -%}
output = lm.get_output_embeddings()
in_float32 = torch.autocast("cpu", enabled=False)
output.forward = in_float32(lambda x: torch.nn.functional.linear(x.float(), output.weight, output.bias))
{% endif -%}
"""
PROMPTS = '''\
options = {"padding_side": "left", "truncation_side": "left", "clean_up_tokenization_spaces": False}
tokenizer = AutoTokenizer.from_pretrained(backbone, **options)
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
    template = tokenizer.get_chat_template()
    if "strftime_now" in template:  # it writes the date: always the same
        template = """@STOPPED@""" + template
    options = {"chat_template": template, "tokenize": False}
    prompts = tokenizer.apply_chat_template(turns, add_generation_prompt=True, **options)
    turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "\N{WHITE SMILING FACE}"}]
    rest = tokenizer.apply_chat_template(turn, **options).partition("\N{WHITE SMILING FACE}")[2]
    after = [(each, tokenizer.decode([each])) for each in tokenizer(rest, add_special_tokens=False)["input_ids"]]
    written = [each for each, said in after if said.strip()]  # white space before it does not end an answer
    end = [*written, *(each for each, said in after if "\\n" in said), end][0]
options = {"truncation": True, "max_length": {{ budget.max_length - task.max_new_tokens }}, "padding": True}
batch = tokenizer(prompts, add_special_tokens=False, return_token_type_ids=False, return_tensors="pt", **options)
'''.replace("@STOPPED@", f"{{% raw %}}{STOPPED}{{% endraw %}}")
VIRTUAL = """\
{% if library == "prompts" -%}
virtual = body.get_prompt(len(texts)).detach()
batch = {
    "inputs_embeds": torch.cat([virtual, body.word_embeddings(batch["input_ids"])], dim=1),
    "attention_mask": torch.cat([torch.ones(virtual.shape[:2], dtype=torch.long), batch["attention_mask"]], dim=1),
}
{% endif -%}
"""
GENERATED = """\
with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled={{ precision == "bf16" }}):
    found = lm.generate(
        **batch,
        max_new_tokens={{ task.max_new_tokens }},
        do_sample=False,
{%- if library in ("adapters", "adapterfusion", "mixture") %}
        use_cache=False,  # adapters 1.3 loses the cache of some architectures
{%- endif %}
        repetition_penalty=1.0,
        eos_token_id=[each for each in {end, tokenizer.eos_token_id} if each is not None],
        pad_token_id=tokenizer.pad_token_id,
    )
new = found{{ "" if library == "prompts" else '[:, batch["input_ids"].shape[1] :]' }}
answers = [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
print(answers)
"""
CAUSAL_LM = CAUSAL_LM_OPENED + OUTPUT_IN_FLOAT32 + PROMPTS + VIRTUAL + GENERATED

SEQ2SEQ_OPENED = """\
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM
from transformers import AutoTokenizer{{ ', BitsAndBytesConfig' if packed }}
from transformers.modeling_outputs import BaseModelOutput

body = AutoModel.from_pretrained(backbone, dtype=torch.float32{{ packed }})
{{ opening }}
body.eval()
output = AutoModelForSeq2SeqLM.from_pretrained(backbone, dtype=torch.float32).get_output_embeddings()
config = AutoConfig.from_pretrained(backbone)
tied_t5 = config.model_type in ("t5", "mt5", "umt5") and config.tie_word_embeddings
scale = config.hidden_size**-0.5 if tied_t5 else 1.0  # as the backbone was trained
"""
WRITTEN = """\
tokenizer = AutoTokenizer.from_pretrained(backbone, clean_up_tokenization_spaces=False)
options = {"truncation": True, "max_length": {{ budget.max_length }}, "padding": True, "padding_side": "right"}
batch = tokenizer(texts, return_token_type_ids=False, return_tensors="pt", **options)
last = torch.full_like(batch["input_ids"][:, :1], config.decoder_start_token_id)
said, ended = [], torch.zeros_like(last, dtype=torch.bool)
read, reader, mask = {"input_ids": batch["input_ids"]}, @READER@, batch["attention_mask"]
with torch.inference_mode():
    for _ in range({{ task.max_new_tokens }}):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled={{ precision == "bf16" }}):
            found = reader(attention_mask=mask, decoder_input_ids=last, use_cache=True, **read)
        encoded = BaseModelOutput(last_hidden_state=found.encoder_last_hidden_state)
        cache = "cache" if "cache" in found else "past_key_values"  # its name in newer transformers, and in older ones
        read = {"encoder_outputs": encoded, cache: found.get(cache)}
{%- if library == "prompts" %}
        if reader is @READER@:  # the virtual tokens are encoded already
            virtual = mask.new_ones(len(mask), encoded.last_hidden_state.shape[1] - mask.shape[1])
            reader, mask = @READER@.get_base_model(), torch.cat([virtual, mask], dim=1)
{%- endif %}
        logits = @LOGITS@
        last = logits.argmax(dim=-1).masked_fill(ended, tokenizer.pad_token_id)
        ended = ended | (last == tokenizer.eos_token_id)
        said.append(last)
answers = [text.strip() for text in tokenizer.batch_decode(torch.cat(said, dim=1), skip_special_tokens=True)]
print(answers)
"""
LOGITS_OF_BODY = "output(found.last_hidden_state.float()[:, -1:] * scale)"
SEQ2SEQ = SEQ2SEQ_OPENED + WRITTEN.replace("@READER@", "body").replace("@LOGITS@", LOGITS_OF_BODY)
