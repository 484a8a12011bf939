"""An adapter as an MLflow model: it answers as the workbench does, from its own files and a named backbone."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.pyfunc import load_model

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import describe, keep
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.mlflow import logged_model
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import toy

TEXTS = ["the cat often", "a plum very"]


def stored(task: Task, folder: Path, target: Path) -> StoredAdapter:
    backbone = open_backbone(str(folder))
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    model = adaptation.fresh(task.kind, len(task.labels), seed=0)
    budget, record = Budget(max_length=16, precision="fp32"), FitRecord((), 0, 0.5, 0, 0.0, None, 1)
    manifest = describe(f"{task.name}-lora", task, adaptation, budget, 0, record)
    return keep(model, adaptation, manifest, AdapterStore(target / "adapters"))


@pytest.mark.parametrize(
    ("kind", "family"),
    [("classification", "bert"), ("regression", "bert"), ("token-classification", "bert"), ("causal-lm", "llama")],
)
def test_it_answers_as_the_workbench_does(
    kind: str, family: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    adapter = stored(toy(kind), request.getfixturevalue(family), tmp_path)
    logged_model.save(adapter, tmp_path / "model", Model())
    shutil.rmtree(adapter.folder)
    model = load_model(str(tmp_path / "model"))
    frame = model.predict(pd.DataFrame({"text": TEXTS}))
    copied = StoredAdapter(adapter.manifest, next((tmp_path / "model" / "data").iterdir()))
    wanted = OpenedAdapter.open(copied, open_backbone(adapter.manifest.backbone.name)).answers(TEXTS)
    assert frame["label"].tolist() == [answer.words for answer in wanted]
    for own, answer in zip(frame["confidence"], wanted, strict=True):
        assert math.isnan(own) if answer.confidence is None else own == pytest.approx(answer.confidence)


def test_models_are_opened_by_the_module_that_those_logged_before_name(bert: Path, tmp_path: Path) -> None:
    logged_model.save(stored(toy("classification"), bert, tmp_path), tmp_path / "model", Model())
    about = yaml.safe_load((tmp_path / "model" / "MLmodel").read_text())
    assert about["flavors"]["python_function"]["loader_module"] == "adapter_workbench.workbench.mlflow.loader"


def test_pairs_have_a_column_each(bert: Path, tmp_path: Path) -> None:
    task = toy("classification")
    pairs = {name: rows.add_column("text_pair", rows["text"][:]) for name, rows in task.splits.items()}
    adapter = stored(Task("pairs", "classification", task.labels, pairs, "f", "tests"), bert, tmp_path)
    logged_model.save(adapter, tmp_path / "model", Model())
    model = load_model(str(tmp_path / "model"))
    rows = pd.DataFrame({"text_pair": TEXTS[::-1], "text": TEXTS})
    wanted = OpenedAdapter.open(adapter, open_backbone(str(bert))).answers(list(zip(TEXTS, TEXTS[::-1], strict=True)))
    assert model.predict(rows)["label"].tolist() == [answer.words for answer in wanted]
    with pytest.raises(MlflowException, match="text_pair"):
        model.predict(pd.DataFrame({"text": TEXTS}))
    nothing = model.predict(rows[:0])
    assert (len(nothing), [*nothing.columns]) == (0, ["label", "confidence"])


def test_it_holds_signature_and_example_and_neither_pickles_nor_the_backbone(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bert.parent)
    adapter = stored(toy("classification"), Path(bert.name), tmp_path)
    logged_model.save(adapter, tmp_path / "model", Model())
    files = {path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*")}
    assert not [name for name in files if name.endswith((".pkl", ".bin", ".pt"))]
    weights = {Path(name).name for name in files if name.endswith(".safetensors")}
    assert weights == {"adapter_model.safetensors", "head.safetensors"}
    example: dict[str, Any] = json.loads((tmp_path / "model" / "serving_input_example.json").read_text())
    assert example["dataframe_split"]["columns"] == ["text"]
    signature = Model.load(str(tmp_path / "model")).signature
    assert signature.inputs.input_names() == ["text"]
    assert signature.outputs.input_names() == ["label", "confidence"]
    monkeypatch.chdir(tmp_path)
    load_model(str(tmp_path / "model"))  # the backbone was named by a path from elsewhere


@pytest.mark.parametrize("imported", [None, "2026-11-30T10:00:00+00:00"])
def test_a_manifest_chooses_no_package_that_pip_would_install(imported: str | None, bert: Path, tmp_path: Path) -> None:
    """Of an adapter that was made here the versions count; of an imported one those here do."""
    adapter = stored(toy("classification"), bert, tmp_path)
    claims = {
        "evil-package": "1.0",
        "torch": "2.13.0 --index-url https://example.com",
        "transformers": "4.57.6\nevil-package",
        "peft": "0.21.1",
        "-r /etc/passwd #": "",
    }
    manifest = adapter.manifest.model_copy(update={"versions": claims, "imported": imported})
    logged_model.save(StoredAdapter(manifest, adapter.folder), tmp_path / "model", Model())
    lines = (tmp_path / "model" / "requirements.txt").read_text().splitlines()
    assert lines.pop(0).startswith("mlflow==")
    own = [f"{name}=={version}" for name, version in versions().items()]
    assert lines == (["peft==0.21.1"] if imported is None else own)


def test_files_that_have_changed_are_not_opened(bert: Path, tmp_path: Path) -> None:
    adapter = stored(toy("classification"), bert, tmp_path)
    logged_model.save(adapter, tmp_path / "model", Model())
    head = next((tmp_path / "model").rglob("head.safetensors"))
    head.write_bytes(head.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match=r"head\.safetensors has changed"):
        load_model(str(tmp_path / "model"))
