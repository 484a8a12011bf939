"""LoRAs beyond what a bank may hold in memory answer from their files, as the others do."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.libraries._lora_bank import LoraBank
from adapter_workbench.workbench.methods.methods import METHODS

SIZE = 4 * 4 * 2 * 2 * (32 + 32)  # bytes of a LoRA of rank 4: float32, two matrices on two layers, A and B
BATCH = {"input_ids": torch.arange(5, 35).reshape(6, 5) % 20, "attention_mask": torch.ones(6, 5, dtype=torch.long)}
OWNERS = (0, 1, 2, 2, 1, 0)


@pytest.fixture
def folders(backbone: Backbone, tmp_path: Path) -> list[Path]:
    """Three LoRAs with other weights."""
    library, card = LIBRARIES.get("peft"), METHODS.get("lora")
    made = []
    for seed in range(3):
        body = library.attach(backbone.load(), card.configure(card.settings(rank=4), backbone.config))
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in body.named_parameters():
            if "lora_" in name:
                parameter.data = torch.randn(parameter.shape, generator=generator)
        made.append(tmp_path / str(seed))
        made[-1].mkdir()
        library.save(body, made[-1])
    return made


def states(bank: LoraBank, loras: list[object]) -> Tensor:
    """Return what the rows of a mixed batch are, in their own order."""
    order = bank.use([loras[owner] for owner in OWNERS])
    with torch.inference_mode():
        read = bank.body(**{name: rows[order] for name, rows in BATCH.items()}).last_hidden_state
    return read[torch.argsort(torch.tensor(order))]


def bank_of(backbone: Backbone, most_bytes: int | None) -> LoraBank:
    return LIBRARIES.get("peft").bank(backbone.load().eval(), "fp32", most_bytes)


@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_they_answer_alike_however_many_are_in_memory(room: int, backbone: Backbone, folders: list[Path]) -> None:
    whole = bank_of(backbone, None)
    wanted = states(whole, [whole.read(folder) for folder in folders])
    bank = bank_of(backbone, room * SIZE)
    loras = [bank.read(folder) for folder in folders]
    assert bank._memory.bytes == room * SIZE
    for _ in range(2):
        assert torch.equal(states(bank, loras), wanted)
        assert bank._memory.bytes == room * SIZE
    assert sum(lora.factors is not None for lora in loras) == room


def test_those_that_were_not_used_for_the_longest_leave_memory(backbone: Backbone, folders: list[Path]) -> None:
    bank = bank_of(backbone, 2 * SIZE)
    loras = [bank.read(folder) for folder in folders]
    for used, left in [(2, 0), (0, 1), (2, 1), (1, 0)]:
        bank.use([loras[used]])
        assert [lora.factors is None for lora in loras] == [number == left for number in range(3)]


def test_one_whose_file_is_removed_still_answers(backbone: Backbone, folders: list[Path]) -> None:
    bank = bank_of(backbone, 0)
    loras = [bank.read(folder) for folder in folders]
    wanted = states(bank, loras)
    for folder in folders:
        shutil.rmtree(folder)
    assert torch.equal(states(bank, loras), wanted)


def test_what_nobody_serves_any_more_takes_no_memory(backbone: Backbone, folders: list[Path]) -> None:
    bank = bank_of(backbone, 3 * SIZE)
    loras = [bank.read(folder) for folder in folders]
    bank.use(loras[2:])
    del loras[:2]
    gc.collect()
    assert bank._memory.bytes == SIZE


def test_names_that_stand_in_another_order_make_no_other_layout(backbone: Backbone, folders: list[Path]) -> None:
    """peft stores the names of the adapted modules as it finds them in a set: in another order in each process."""
    bank = bank_of(backbone, None)
    first: Any = bank.read(folders[0])
    config = folders[1] / CONFIG
    described = json.loads(config.read_text(encoding="utf-8"))
    assert len(described["target_modules"]) > 1, "else nothing is shown"
    config.write_text(json.dumps({**described, "target_modules": described["target_modules"][::-1]}), encoding="utf-8")
    assert bank.read(folders[1]).layout is first.layout


def test_one_has_one_block_of_memory(backbone: Backbone, folders: list[Path]) -> None:
    """Each of its tensors begins where torch begins one, so that what computes with them takes the same path."""
    bank = bank_of(backbone, None)
    lora: Any = bank.read(folders[0])
    tensors = [tensor for factors in lora.factors.values() for tensor in factors if tensor is not None]
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == 1
    assert {tensor.data_ptr() % 64 for tensor in tensors} == {0}
    assert all(tensor.is_contiguous() for tensor in tensors)
