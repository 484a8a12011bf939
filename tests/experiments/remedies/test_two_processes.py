"""A remedy in a training that two processes share: the weights of one process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from peft import get_peft_model_state_dict
from safetensors.torch import load_file

from tests import remedy_in_processes
from tests.patience import PATIENCE


@pytest.mark.acceptance
@pytest.mark.parametrize("remedies", ["held", "osf", "inflora"])
def test_two_processes_come_to_the_weights_of_one(remedies: str, llama: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    shared |= {"GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "tests.remedy_in_processes", str(llama), str(tmp_path / "two"), remedies]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in started]
    assert not any(process.returncode for process in started), outputs[0]
    model = remedy_in_processes.learned(llama, tmp_path / "one", remedies)
    alone = dict(model.named_parameters()) if remedies == "osf" else get_peft_model_state_dict(model)
    for rank in range(2):
        (file,) = (tmp_path / "two" / f"rank-{rank}").glob("*model.safetensors")
        together = load_file(file)
        assert together.keys() == alone.keys()
        assert max(float((together[name] - weight.detach()).abs().max()) for name, weight in alone.items()) < 1e-6
