"""Which files of a model are fetched, and a hub that does not answer."""

from __future__ import annotations

import socket
from fnmatch import fnmatch
from pathlib import Path

import pytest

from adapter_workbench.workbench.errors import AssetError
from adapter_workbench.workbench.files import hub_files
from tests.connections import counted_connections


def test_what_a_loader_reads_is_fetched_and_other_weights_are_not() -> None:
    read = ["config.json", "model-00001-of-00002.safetensors", "tokenizer.model", "vocab.txt", "1_Pooling/config.json"]
    read += ["chat_template.jinja", "additional_chat_templates/tool_use.jinja", "source.spm", "target.spm", "README.md"]
    other = ["pytorch_model.bin", "tf_model.h5", "model.onnx", "modeling_own.py", "consolidated.00.pth"]
    fetched = [name for name in read + other if any(fnmatch(name, pattern) for pattern in hub_files.MODEL_FILES)]
    assert fetched == read


@pytest.mark.parametrize("listening", [True, False])
def test_a_hub_that_does_not_answer_is_asked_once_and_told_in_one_message(
    listening: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as silent:  # takes the connection and says nothing, or refuses it
        silent.bind(("127.0.0.1", 0))
        if listening:
            silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(hub_files, "HUB_PATIENCE", 0.2)
        for fetch in (hub_files.hub_folder, lambda name: hub_files.hub_file(name, "config.json")):
            with counted_connections() as asked, pytest.raises(AssetError, match=f"{address} does not answer, .*cache"):
                fetch("owner/name")
            # the hub's client would try six times; from its version 1 on it also asks, once a process, who calls it
            assert 1 <= len(asked) <= 2, "its client alone would try six times, and wait between"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address.replace("://", "://ann:hunter2@"))
        assert "hunter2" not in hub_files.hub_silence()
    assert capfd.readouterr().err == ""
