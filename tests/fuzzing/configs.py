"""configs: what stands in a model's JSON files, from values of other types to another architecture."""

from __future__ import annotations

import json
from random import Random

from adapter_workbench.workbench.errors import WorkbenchError
from tests.fuzzing.promises import tried
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, value
from tests.fuzzing.weights import asked

FILES = ("config.json", "config.json", "config.json", "tokenizer_config.json", "special_tokens_map.json")
ADDED = (
    "generation_config.json",
    "1_Pooling/config.json",
    "modules.json",
    "chat_template.jinja",
    "adapter_config.json",
)
TYPES = """
    bert roberta distilbert electra albert mpnet deberta-v2 modernbert xlnet funnel gpt2 gpt_neox llama mistral
    qwen2 qwen3 gemma2 phi3 opt bloom t5 bart mbart clip whisper nonsense megatron-bert big_bird longformer
    reformer mamba rwkv xlm
""".split()
KEYS = """
    chunk_size_feed_forward hidden_act layer_norm_eps rms_norm_eps num_labels id2label torch_dtype
    tie_word_embeddings is_decoder add_cross_attention position_embedding_type rope_scaling head_dim
    attention_bias sliding_window layer_types pad_token_id type_vocab_size pruned_heads num_hidden_layers
    hidden_size vocab_size num_attention_heads num_key_value_heads intermediate_size output_attentions use_cache
    problem_type task_specific_params decoder_start_token_id model_max_length padding_side truncation_side
    do_lower_case add_prefix_space pad_token eos_token extra_special_tokens added_tokens_decoder tokenizer_class
    clean_up_tokenization_spaces max_position_embeddings hidden_dropout_prob dtype max_length
""".split()

PLAIN = (None, True, False, 0, 1, 2, 3, 7, -1, 64, 10**6, 0.5, 1e-12, -0.5, 1e30, "", "relu", "nope", [], [0, 1], {})


def case(site: Site, random: Random) -> bool:
    """Open a model of which one JSON file was changed, and ask it."""
    folder = site.copy(random.choice(["bert", "llama", "t5"]))
    file = folder / random.choice(FILES if random.random() < 0.85 else ADDED)
    whole = file.read_bytes() if file.exists() else b"{}"
    document = json.loads(whole)
    if random.random() < 0.7:
        key = random.choice([*document] if document and random.random() < 0.5 else KEYS)
        document[key] = random.choice(PLAIN) if random.random() < 0.8 else value(random)
    else:
        document = changed(random, document)
    if random.random() < 0.15 and isinstance(document, dict):
        document["model_type"] = random.choice(TYPES)
    written = json.dumps(document, default=str, skipkeys=True).encode()
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(written if random.random() < 0.9 else damaged(random, written))
    return not isinstance(tried(lambda: asked(folder), folder), WorkbenchError)
