"""The oldest peft that a card names opens the exported folder in the card's own lines, and answers as the workbench."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.elsewhere.sender_class import CLASSES
from adapter_workbench.workbench.answering.for_peft.exported import OF_KEY, OF_TYPE
from adapter_workbench.workbench.answering.for_peft.task_class import TASK_TYPES
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from tests.elsewhere.senders import imported, sent_by_peft
from tests.exported_adapters import METHODS_OF_PEFT, Exported, adapter_of, exported
from tests.neighbours import compared, reads_exports
from tests.neighbours.compared import Compared
from tests.neighbours.environments import ROOT, environment
from tests.tiny_models import write_bert, write_llama, write_t5

PROGRAM = ROOT / "tests" / "neighbours" / "reads_exports.py"
ON = {  # kind → tiny model, pooling
    "causal-lm": (write_llama, "last"),
    "seq2seq": (write_t5, "mean"),
    "classification": (write_bert, "first"),
    "token-classification": (write_bert, "mean"),
    "regression": (write_bert, "mean"),
}
SENT: dict[str, tuple[str, dict[str, Any]]] = {  # what no method here writes, and other programs do
    "rank_pattern": ("seq2seq", {"rank_pattern": {"q": 2}, "alpha_pattern": {"v": 3}}),
    "lora_bias": ("seq2seq", {"lora_bias": True}),
    "trainable_token_indices": ("causal-lm", {"trainable_token_indices": {"embed_tokens": [5, 6]}}),
}
VERSIONS = sorted(
    {*OF_TYPE.values(), *(OF_KEY[key] for key in ("use_rslora", "use_dora", *SENT))}, key=lambda text: text.split(".")
)
CLOSE = 1e-4  # versions of peft round some products otherwise


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Exported]]:
    """Every method of peft, exported for each kind that it can answer, by the version of peft that the card names."""
    folder = tmp_path_factory.mktemp("exports")
    store, by_version = AdapterStore(folder / "store"), defaultdict(list)
    for kind, (write, pooling) in ON.items():
        opened = open_backbone(str(write(folder / f"base-{kind}")))
        backbone = replace(opened, pooling=pooling)  # type: ignore[arg-type]  # one of them
        for method in METHODS_OF_PEFT:
            try:
                stored = adapter_of(method, kind, backbone, store)
            except InputError:
                continue
            made = exported(stored, backbone, folder / f"{kind}-{method}")
            by_version[made.oldest].append(made)
    for key, (kind, options) in SENT.items():
        backbone = open_backbone(str(folder / f"base-{kind}"))
        lora = LoraConfig(task_type=TASK_TYPES[kind], r=4, **options)
        sent_by_peft(backbone.folder, folder / key, lora, CLASSES[kind])
        stored = imported(backbone.folder, folder / key, folder / f"of {key}", ())
        made = exported(stored, backbone, folder / f"on {key}")
        assert made.oldest == OF_KEY[key]
        by_version[made.oldest].append(made)
    return by_version


def differences(made: Sequence[Exported], found: Mapping[str, Any]) -> dict[str, float]:
    """Return the largest difference of each adapter by its name; the tokens that are written are compared too."""
    return {each.name: each.difference(found[each.name]) for each in made}


def keep(version: str, rows: Mapping[str, float], what: str) -> None:
    compared.keep(Compared("peft", version, "reads", what, len(rows), max(rows.values())))


@pytest.mark.neighbour
@pytest.mark.parametrize("version", VERSIONS)
def test_the_oldest_version_answers_alike(
    version: str, adapters: Mapping[str, Sequence[Exported]], tmp_path: Path
) -> None:
    made = adapters[version]
    assert made, "some card names it"
    old = environment(f"peft-{version}", f"peft=={version}")
    assert old.version("peft") == version
    jobs, results = tmp_path / "jobs.json", tmp_path / "results.json"
    jobs.write_text(json.dumps([each.job for each in made]), encoding="utf-8")
    done = old.called([str(PROGRAM), str(jobs), str(results)])
    assert done.returncode == 0, done.stderr[-3000:]
    rows = differences(made, json.loads(results.read_text(encoding="utf-8")))
    assert max(rows.values()) < CLOSE, rows
    methods = sorted(
        {" with ".join([each.stored.manifest.method, *(SENT.keys() & each.form.config.keys())]) for each in made}
    )
    keep(version, rows, f"logits and written tokens: {', '.join(methods)}")


@pytest.mark.acceptance
def test_the_installed_version_answers_alike(adapters: Mapping[str, Sequence[Exported]]) -> None:
    made = [each for of_version in adapters.values() for each in of_version]
    rows = differences(made, {each.name: reads_exports.read(each.job) for each in made})
    assert max(rows.values()) < CLOSE, rows
    keep(compared.installed("peft"), rows, "logits and written tokens of every method of peft that is exported")
