"""adapters: a folder that somebody sent, with another manifest, config, head or weights, sealed again or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

from adapter_workbench.workbench.adapters.manifest import MANIFEST
from adapter_workbench.workbench.files.digest import digest, key
from tests.fuzzing import weights
from tests.fuzzing.promises import require_promises
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, value

FILES = (MANIFEST, "adapter_config.json", "adapter_config.json", "adapter_model.safetensors", "head.safetensors")
EXPRESSIONS = (r"(\w+\.?)+!", r".*\.query", "(", "query|value", "all-linear", "", "**", r"(a|a)*$", "layer")
KEYS = {
    "target_modules": EXPRESSIONS,
    "exclude_modules": EXPRESSIONS,
    "modules_to_save": EXPRESSIONS,
    "layers_pattern": EXPRESSIONS,
    "layers_to_transform": (0, [0], [99], -1, "0", []),
    "rank_pattern": EXPRESSIONS,
    "alpha_pattern": EXPRESSIONS,
    "r": (0, 1, 8, -1, 10**9, "8", None),
    "lora_alpha": (0, 16, -1, 1e308, "16", None),
    "task_type": ("SEQ_CLS", "CAUSAL_LM", "NOPE", None, 3),
    "peft_type": ("LORA", "IA3", "PROMPT_TUNING", "XLORA", "NOPE"),
    "bias": ("all", "lora_only", "nope"),
    "use_dora": (True, "yes"),
    "use_rslora": (True,),
    "fan_in_fan_out": (True,),
    "inference_mode": (False, "x"),
    "init_lora_weights": ("pissa", "gaussian", "loftq", True),
}


def case(site: Site, random: Random) -> bool:
    """Import an adapter, and ask it where it was taken."""
    work = site.folder
    shutil.rmtree(work / "sent", ignore_errors=True)
    shutil.rmtree(work / ".workbench" / "adapters", ignore_errors=True)
    sent = shutil.copytree(site.adapter, work / "sent")
    file = sent / random.choice(FILES)
    if file.suffix == ".json":
        file.write_bytes(_document(random, json.loads(file.read_bytes()), file.name))
    else:
        weights.change(random, file)
    if random.random() < 0.8:
        seal(sent)
    backbone = str(site.model("bert"))
    if require_promises(work, "adapters", "import", "sent", "--backbone", backbone).code:
        return False
    require_promises(work, "adapters", random.choice(["list", "verify"]))
    outcome = require_promises(work, "predict", "sent-lora", "the cat this", "--json")
    assert "NaN" not in outcome.out, f"no number: {outcome.out[:500]}"
    return True


def _document(random: Random, document: dict[str, object], name: str) -> bytes:
    if name != MANIFEST and random.random() < 0.6:
        chosen = random.choice([*KEYS])
        given = random.choice(KEYS[chosen]) if random.random() < 0.8 else value(random)
        if isinstance(given, str) and chosen in ("modules_to_save", "rank_pattern", "alpha_pattern"):
            given = [given] if chosen == "modules_to_save" else {given: 4}
        document[chosen] = given
    else:
        document = changed(random, document)
    content = json.dumps(document, default=str, skipkeys=True).encode()
    return content if random.random() < 0.9 else damaged(random, content)


def seal(folder: Path) -> None:
    """Make the digests right again, where the manifest is still one: a sender who changes files does so."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        return
    if isinstance(manifest, dict):
        files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 1 << 24]
        names = [path.relative_to(folder).as_posix() for path in files]
        manifest["files"] = {name: digest(folder / name) for name in names if name != MANIFEST}
        manifest["sha256"] = key({name: entry for name, entry in manifest.items() if name != "sha256"})
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
