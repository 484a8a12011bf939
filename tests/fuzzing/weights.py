"""weights: safetensors files of models and adapters with other bytes, headers, tensors, or no file in their place."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import WorkbenchError
from tests.fuzzing.promises import tried
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, text

TYPES = (torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int64, torch.bool, torch.complex64)
NUMBERS = (float("nan"), float("inf"), -float("inf"), 1e38, 0.0)
NAMES = (
    "encoder.layer.99.output.dense.weight",
    "layer",
    "",
    "a.b",
    "lora_A",
    "x" * 300,
    "\x1b[31m",
    "pooler.dense.bias",
)
Tensors = dict[str, torch.Tensor]


def case(site: Site, random: Random) -> bool:
    """Open a model whose weights were changed, and ask it."""
    folder = site.copy(random.choice(["bert", "bert", "llama", "t5"]))
    change(random, folder / "model.safetensors")
    reply = tried(lambda: asked(folder), folder)
    return not isinstance(reply, WorkbenchError)


def asked(folder: Path) -> None:
    """Open everything of a model and read a text; its weights have to be numbers.

    What large ones make of a text may be too large: whoever answers with it checks that.
    """
    backbone = open_backbone(str(folder))
    batch = backbone.tokenizer(["the cat", "a"], padding=True, return_tensors="pt")
    body = backbone.load()
    assert backbone.fingerprint
    if not backbone.config.is_encoder_decoder:
        with torch.inference_mode():
            body(**batch)
    assert all(weight.isfinite().all() for weight in body.parameters()), "weights that are no numbers were taken"


def change(random: Random, file: Path) -> None:
    """Change a file of tensors."""
    random.choice([_bytes, _header, _tensors, _tensors, _tensors, _tensors, _place])(random, file)


def _bytes(random: Random, file: Path) -> None:
    file.write_bytes(damaged(random, file.read_bytes()))


def _header(random: Random, file: Path) -> None:
    """Change the header: names, types, shapes, offsets; sometimes its length."""
    whole = file.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.dumps(changed(random, json.loads(whole[8 : 8 + length])), default=str).encode()
    stated = len(header) if random.random() < 0.8 else random.choice([0, 1, len(header) * 2, 1 << 40, (1 << 64) - 1])
    file.write_bytes(struct.pack("<Q", stated) + header + whole[8 + length :])


def _tensors(random: Random, file: Path) -> None:
    """Change one tensor, or which tensors there are."""
    tensors = load_file(file)
    for _ in range(random.choice([1, 1, 3])):
        name = random.choice(sorted(tensors))
        random.choice(CHANGES)(random, tensors, name)
        if not tensors:
            break
    kept = {key: tensor.contiguous().clone() for key, tensor in tensors.items()}
    save_file(kept, file, random.choice([{"format": "pt"}, {"format": "pt"}, {"format": "tf"}, None]))


def _number(random: Random, tensors: Tensors, name: str) -> None:
    flat = tensors[name].flatten().clone()
    if flat.numel() and flat.is_floating_point():
        flat[random.randrange(flat.numel())] = random.choice(NUMBERS)
    tensors[name] = flat.reshape(tensors[name].shape)


def _type(random: Random, tensors: Tensors, name: str) -> None:
    tensors[name] = tensors[name].to(random.choice(TYPES))


def _shape(random: Random, tensors: Tensors, name: str) -> None:
    tensor = tensors[name]
    shapes: list[Callable[[], torch.Tensor]] = [
        lambda: tensor.t() if tensor.dim() == 2 else tensor[None],
        lambda: tensor[:0],
        lambda: tensor[:-1],
        lambda: torch.cat([tensor, tensor]),
        lambda: tensor.flatten(),
        lambda: tensor.sum(),
    ]
    tensors[name] = random.choice(shapes)() if tensor.dim() else tensor.reshape(1)


def _drop(random: Random, tensors: Tensors, name: str) -> None:
    del tensors[name]


def _rename(random: Random, tensors: Tensors, name: str) -> None:
    tensors[random.choice([*NAMES, f"{name}.", f"x.{name}", name.upper()])] = tensors.pop(name)


def _add(random: Random, tensors: Tensors, name: str) -> None:
    tensors[random.choice([*NAMES, name.replace("0", "7"), text(random).encode(errors="replace").decode()])] = tensors[
        name
    ]


CHANGES = (_number, _number, _type, _shape, _shape, _drop, _rename, _add)


def _place(random: Random, file: Path) -> None:
    """Put something else in the file's place."""
    whole = file.read_bytes()
    file.unlink()
    places: list[Callable[[], Any]] = [
        lambda: None,
        file.mkdir,
        lambda: os.mkfifo(file),
        lambda: file.symlink_to("/dev/zero"),
        lambda: file.symlink_to(file),
        lambda: (file.parent / "pytorch_model.bin").write_bytes(pickle.dumps(Evil())),
        lambda: file.write_bytes(pickle.dumps(Evil())),
        lambda: _sharded(random, file, whole),
    ]
    random.choice(places)()


def _sharded(random: Random, file: Path, whole: bytes) -> None:
    """Write an index that names files, some of them elsewhere."""
    (file.parent / "part.safetensors").write_bytes(whole)
    names = [*load_file(file.parent / "part.safetensors")]
    target = random.choice(
        ["part.safetensors", "part.safetensors", "../part.safetensors", "/etc/passwd", "nothing", ""]
    )
    index = {"metadata": {"total_size": len(whole)}, "weight_map": dict.fromkeys(names, target)}
    document = changed(random, index) if random.random() < 0.7 else index
    file.with_name("model.safetensors.index.json").write_text(json.dumps(document, default=str), encoding="utf-8")


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the canary behind."""
        return Path.touch, (Path("canary"),)
