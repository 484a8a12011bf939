"""A hub that does not answer."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from workbench import hub_files
from workbench.errors import AssetError


@pytest.mark.parametrize("listening", [True, False])
def test_a_hub_that_does_not_answer_is_one_message_soon(
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
        began = time.monotonic()
        for fetch in (hub_files.hub_folder, lambda name: hub_files.hub_file(name, "config.json")):
            with pytest.raises(AssetError, match=f"{address} does not answer, and the cache does not have it"):
                fetch("owner/name")
        assert time.monotonic() - began < 10, "its client alone would take 40"
    assert capfd.readouterr().err == ""
