"""A machine holds widened weights once: a process takes those of another one, and only those that nobody can change."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from adapter_workbench.workbench.backbone import shared_weights
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine import page_table
from adapter_workbench.workbench.machine.memory_file import MemoryFile
from tests.checkpoints import saved
from tests.conftest import environment
from tests.process_memory import as_another_process, settled_files

pytestmark = pytest.mark.skipif(not page_table.is_told(), reason="this machine does not tell of written pages")

SHAPES, TYPES = [(2, 2)], [torch.float32]
OTHER = """
import sys
from adapter_workbench.workbench.backbone import fingerprints, shared_weights
from adapter_workbench.workbench.backbone.names import open_backbone
fingerprints.SETTLED = -60.0
body = open_backbone(sys.argv[1]).load()
(copy,) = shared_weights._resident.values()
print(copy.file.descriptor, flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[Path]:
    """Let another process load the backbone in a folder, and yield where its file is."""
    command = [sys.executable, "-c", OTHER, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment(PYTHONPATH=":".join(sys.path)), **pipes) as process:
        assert process.stdout
        yield Path(f"/proc/{process.pid}/fd/{int(process.stdout.readline())}")
        process.communicate()


def test_weights_are_those_of_another_process(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled_files(monkeypatch)
    as_another_process(monkeypatch)
    folder = saved("BertModel", bert, tmp_path / "halved", dtype=torch.bfloat16)
    backbone = open_backbone(str(folder))
    fresh = backbone.load(own=True)
    with another_process(folder) as path:
        body = backbone.load()
        (copy,) = shared_weights._resident.values()
        assert os.fstat(copy.file.descriptor).st_ino == path.stat().st_ino
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(body.state_dict()[name], tensor), f"{name}, now that the other process has gone"
    assert backbone.is_intact(body)


def test_only_a_sealed_file_of_the_name_and_size_is_taken() -> None:
    name = f"weights-test-{os.getpid()}"
    file = MemoryFile(SHAPES, TYPES, name)
    file.write(0, [torch.arange(4.0)])
    assert MemoryFile.find_sealed(SHAPES, TYPES, name) is None, "it may still change"
    file.seal()
    assert MemoryFile.find_sealed([(3000,)], TYPES, name) is None
    assert MemoryFile.find_sealed(SHAPES, TYPES, f"{name}-other") is None
    held = MemoryFile.find_sealed(SHAPES, TYPES, name)
    assert held
    (own,), (before,) = held.map_tensors(), file.map_tensors()
    assert torch.equal(own, torch.arange(4.0).reshape(2, 2))
    own.add_(1)
    assert torch.equal(before, torch.arange(4.0).reshape(2, 2)), "what is written to belongs to the writer"
    with pytest.raises(OSError, match=r"not permitted|descriptor"):
        os.pwrite(held.descriptor, b"x", 0)
