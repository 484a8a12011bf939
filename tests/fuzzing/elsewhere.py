"""elsewhere: folders of peft, adapters and transformers with another config, other weights, or more files in them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzzing import weights
from tests.fuzzing.promises import require_promises
from tests.fuzzing.senders import WHOLE, WRITERS
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, value
from tests.fuzzing.weights import Evil

CONFIGS = (
    "adapter_config.json",
    "adapter_config.json",
    "config.json",
    "head_config.json",
    "tokenizer_config.json",
    "modules.json",
)
EXPRESSIONS = (
    r"(\w+\.?)+!",
    r".*\.query",
    "(",
    "query|value",
    "all-linear",
    "",
    "**",
    r"(a|a)*$",
    "layer",
    "classifier",
)
SIZES = (0, 1, 3, 8, -1, 10**6, 10**9, 2**40, "8", None, 0.5, [2], True)
NAMES = ("evil", "evil:run", "../../outside", "/dev/zero", "owner/name", "~", "", None, 3)
KEYS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("target_modules", "exclude_modules", "layers_pattern", "feedforward_modules"), EXPRESSIONS),
    **dict.fromkeys(("modules_to_save", "rank_pattern", "alpha_pattern", "trainable_token_indices"), EXPRESSIONS),
    **dict.fromkeys(("r", "lora_alpha", "num_virtual_tokens", "token_dim", "num_layers", "encoder_hidden_size"), SIZES),
    **dict.fromkeys(("num_transformer_submodules", "num_attention_heads", "reduction_factor", "num_labels"), SIZES),
    **dict.fromkeys(("base_model_name_or_path", "revision", "tokenizer_name_or_path", "megatron_core"), NAMES),
    **dict.fromkeys(("prompt_tuning_init_state_dict_path", "model_name", "model_class", "_name_or_path"), NAMES),
    "layers_to_transform": (0, [0], [99], -1, "0", []),
    "layer_replication": ([[0, 2]], [[0, 10**9]], "x", [[0, 1]] * 300),
    "target_parameters": (["weight"], ["encoder.layer.0.attention.self.query.weight"], "x", [3]),
    "task_type": ("SEQ_CLS", "CAUSAL_LM", "TOKEN_CLS", "FEATURE_EXTRACTION", "QUESTION_ANS", "NOPE", None, 3),
    "peft_type": ("LORA", "IA3", "PROMPT_TUNING", "XLORA", "SHADOW", "MULTITASK_PROMPT_TUNING", "CPT", "NOPE", None, 3),
    "auto_mapping": ({"base_model_class": "Evil", "parent_library": "evil"}, {"base_model_class": 3}, "evil"),
    "auto_map": ({"AutoModel": "evil.Evil"},),
    "bias": ("all", "lora_only", "nope"),
    "use_dora": (True, "yes"),
    "fan_in_fan_out": (True,),
    "inference_mode": (False, "x"),
    "init_lora_weights": ("pissa", "pissa_niter_4", "olora", "gaussian", "loftq", "eva", "corda", "lora_ga", True, "x"),
    "init_weights": (True, "bat", "x"),
    "loftq_config": ({"loftq_bits": 4}, 3),
    "eva_config": ({"rho": 2.0}, {}),
    "corda_config": ({"cache_file": "evil.pt", "covariance_file": "evil.pt"},),
    "lora_ga_config": ({"cache_file": "evil.pt"},),
    "arrow_config": ({"arrow_top_k": 3}, {}),
    "megatron_config": ({"a": 1},),
    "adapters": ({"0": "owner/name"},),
    "id2label": ({"0": "a"}, {"0": "a", "1": "a", "2": "a"}, {"x": "y"}, ["a"], {"0": "LABEL_0"}, {"9" * 30: "a"}),
    "problem_type": ("regression", "multi_label_classification", "nope", 3),
    "architectures": (["Evil"], [], ["BertForSequenceClassification"], ["BertModel"], ["BertForTokenClassification"]),
    "pooling_mode": ("mean", "max", ["cls", "mean"], [], [3], 3, {"a": 1}),
    "path": ("", "..", "../whole", "/", "~", "0_Transformer/..", ".", "1_Pooling", 3, None),
    "type": ("sentence_transformers.models.Dense", "evil.Evil", "", 3, None),
    "model_type": ("bert", "llama", "t5", "nope", 3),
    "hidden_size": SIZES,
    "config": ({}, {"architecture": "evil"}, 3, "pfeiffer", "owner/name", "/dev/zero"),
    **dict.fromkeys(("reduction_factor", "phm_dim", "phm_rank", "prefix_length", "bottleneck_size", "layers"), SIZES),
    "non_linearity": ("relu", "gelu", "evil", "swish", None),
    "activation_function": ("tanh", "evil", None),
    "architecture": ("lora", "prefix_tuning", "prompt_tuning", "union", "reft", "evil", None, []),
    "leave_out": ([0], [0, 1], [10**9], "x"),
    "head_type": ("tagging", "masked_lm", "evil", None),
    "label2id": ({"a": 0}, {"a": 0, "b": 0, "c": 0}, {"a": "x"}, {"a": 10**9, "b": 1, "c": 2}, []),
    "phm_layer": (True,),
    "inv_adapter": ("nice", "glow", "evil"),
    "scaling": ("learned", 1e308, float("nan"), "x"),
}

ADAPTERS = [*[*KEYS][[*KEYS].index("config") + 1 :], "r", "num_labels"]  # keys of the package's own config


def case(site: Site, random: Random) -> bool:
    """Import a folder of another program's, and ask what came in."""
    work = site.folder
    name = random.choice([*WRITERS])
    sent = site.sent(name)
    shutil.rmtree(work / "sent", ignore_errors=True)
    shutil.rmtree(work / ".workbench" / "adapters", ignore_errors=True)
    folder = shutil.copytree(sent.folder, work / "sent")
    random.choice([_config, _config, _config, _weights, _weights, _more])(random, folder)
    base = str(site.model(sent.base))
    options = sent.options if random.random() < 0.9 else ()
    alone = name in WHOLE and random.random() < 0.7
    options += random.choice([("--link",), ()]) if alone else ("--backbone", base)
    if require_promises(work, "adapters", "import", "sent", "--name", "sent", *options).code:
        return False
    require_promises(work, "adapters", "verify")
    if "--link" in options and random.random() < 0.3:
        random.choice([_config, _weights, _more])(random, folder)
    outcome = require_promises(work, "predict", "sent", "the cat this", "--json")
    assert "NaN" not in outcome.out, f"no number: {outcome.out[:500]}"
    return True


def _config(random: Random, folder: Path) -> None:
    """Change a JSON file: keys that a library reads, or anything."""
    file = random.choice([path for name in CONFIGS for path in sorted(folder.rglob(name)) if path.is_file()])
    document: Any = json.loads(file.read_bytes())
    for _ in range(random.choice([1, 1, 2])):
        if random.random() < 0.7:
            chosen = random.choice([*KEYS])
            given = random.choice(KEYS[chosen]) if random.random() < 0.85 else value(random)
            if isinstance(given, str) and chosen in ("rank_pattern", "alpha_pattern", "trainable_token_indices"):
                given = {given: random.choice(SIZES)}
            holder = document[0] if isinstance(document, list) else document
            if not isinstance(holder, dict):  # the first change made it something else
                break
            holder = holder["config"] if isinstance(holder.get("config"), dict) and chosen in ADAPTERS else holder
            holder[chosen] = [given] if chosen == "modules_to_save" and isinstance(given, str) else given
        else:
            document = changed(random, document)
    content = json.dumps(document, default=str, skipkeys=True).encode()
    file.write_bytes(content if random.random() < 0.9 else damaged(random, content))


def _weights(random: Random, folder: Path) -> None:
    weights.change(random, random.choice(sorted(folder.rglob("*.safetensors"))))


def _more(random: Random, folder: Path) -> None:
    """Put something into the folder, or in a file's place."""
    file = random.choice(sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors")))
    acts: list[Callable[[], Any]] = [
        file.unlink,
        lambda: (file.unlink(), file.mkdir()),
        lambda: (file.unlink(), os.mkfifo(file)),
        lambda: (file.unlink(), file.symlink_to("/dev/zero")),
        lambda: (file.unlink(), file.symlink_to("/etc/hostname")),
        lambda: (file.unlink(), file.symlink_to(file)),
        lambda: file.write_bytes(b"[" * 100_000),
        lambda: file.write_bytes(b'{"a":' * 5000 + b"1" + b"}" * 5000),
        lambda: os.truncate(file, (1 << 24) + 1),
        lambda: (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil())),
        lambda: (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil())),
        lambda: (folder / "modeling_evil.py").write_text("import evil", encoding="utf-8"),
        lambda: (folder / "manifest.json").write_text("{}", encoding="utf-8"),
        lambda: (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8"),
        lambda: (folder / "config.json").write_text('{"auto_map": {"AutoModel": "evil.M"}}', encoding="utf-8"),
        lambda: (folder / "README.md").write_text(f"---\na: {'[' * 20_000}\n---\n", encoding="utf-8"),
        lambda: (folder / "README.md").write_text("---\nbase_model: [a, {b: 1}]\n---\n", encoding="utf-8"),
        lambda: (folder / "config.4.0.0.json").write_text("{}", encoding="utf-8"),
        lambda: (folder / "chat_template.jinja").write_text("{{ range(10**9) | list }}", encoding="utf-8"),
    ]
    random.choice(acts)()
