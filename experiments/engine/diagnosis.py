"""What works on this machine, found out by trying it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.backbone.quantisation import keep_as_packed
from workbench.errors import InputError, TrackingError
from workbench.files.cache import cache_folder
from workbench.machine.extras import EXTRAS, install_command, installed_version
from workbench.mlflow.address import printable_address, tracking_uri
from workbench.mlflow.tracker import Tracker
from workbench.training import require_optimizer

if TYPE_CHECKING:
    from experiments.workspace import Workspace
    from workbench.settings.base import Quantization

PACKAGES = (
    "torch",
    "transformers",
    "adapters",
    "peft",
    "accelerate",
    "datasets",
    "mlflow",
    "bitsandbytes",
    "scikit-learn",
    "ray",
    "greenlet",
    "lm-eval",
)
BRINGS = {  # what the packages are for
    "adapters": "bottlenecks and AdapterFusion",
    "ray": "--jobs and --cluster",
    "greenlet": "--jobs and --cluster",
    "lm-eval": "the probe lm-eval",
}
ROOM_GB = 2.0
PATIENCE = 3.0  # seconds that the hub has to answer


@dataclass(frozen=True)
class Finding:
    """One thing that was tried.

    Attributes:
        name: what.
        works: whether it works here.
        needed: whether all commands need it.
        detail: what was seen.
        remedy: how to get it, where it does not work; empty where there is nothing to do.
    """

    name: str
    works: bool
    needed: bool
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def diagnose(workspace: Workspace, offline: bool = False) -> list[Finding]:
    """Try everything; a failure is a finding, never an exception. ``offline`` leaves out what needs the network."""
    here = [*_packages(), *_device(), *_quantisation(), _cache(), _room(workspace), *_swept(workspace)]
    here.append(_tracking(workspace))
    return here if offline else [*here, _hub()]


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        if version := installed_version(name):
            yield Finding(name, True, name not in EXTRAS, version)
        elif name in EXTRAS:
            remedy = f"{install_command(name)}, for {BRINGS[name]}"
            yield Finding(name, False, False, "not installed", remedy)
        else:
            yield Finding(name, False, True, "not installed", f"pip install {name}, or install the project again")


def _device() -> Iterator[Finding]:
    import torch

    from workbench.machine.device import accelerator, resolve_precision

    device = accelerator().type
    gpu = device != "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else device
    detail = name if gpu else f"none; models run on {os.cpu_count()} processor cores"
    remedy = "" if gpu else "nothing to do: processors work; for a GPU, install the build of torch for its CUDA or ROCm"
    yield Finding("GPU", gpu, False, detail, remedy)
    fast = resolve_precision("auto") == "bf16"
    remedy = "" if fast else "nothing to do: fp32 gives the same scores, and bf16 would take longer here"
    yield Finding("bfloat16", fast, False, f"precision auto means {resolve_precision('auto')} here", remedy)


def _quantisation() -> Iterator[Finding]:
    packed = "a bitsandbytes for this device (pip install -U bitsandbytes); without it leave budget.quantization out"
    moments = "leave optimizer at adamw, or get a bitsandbytes for this device (pip install -U bitsandbytes)"
    yield _attempt("nf4 backbones", lambda: _gradient("nf4"), False, packed)
    yield _attempt("int8 backbones", lambda: _gradient("int8"), False, packed)
    yield _attempt("8-bit AdamW", _eight_bit_step, False, moments)
    yield _attempt("paged AdamW", _paged, False, "leave optimizer at adamw; paging needs a CUDA GPU")


def _gradient(quantization: Quantization) -> str:
    """Multiply by a packed matrix there and back."""
    import torch
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    from workbench.machine.device import accelerator

    whole = torch.nn.Linear(64, 64)
    layer = (
        Linear4bit(64, 64, quant_type="nf4") if quantization == "nf4" else Linear8bitLt(64, 64, has_fp16_weights=False)
    )
    layer.load_state_dict(whole.state_dict())
    keep_as_packed(layer.to(accelerator()))
    given = torch.ones(2, 64, device=layer.weight.device, requires_grad=True)
    layer(given).sum().backward()
    wanted = whole.weight.detach().sum(dim=0)
    error = (given.grad[0].cpu() - wanted).detach().norm() / wanted.norm() if given.grad is not None else torch.inf
    return f"budget.quantization={quantization} works; a gradient through a packed matrix is off by {float(error):.1%}"


def _eight_bit_step() -> str:
    import torch
    from bitsandbytes.optim import AdamW8bit

    from workbench.machine.device import accelerator

    weight = torch.nn.Parameter(torch.zeros(64, 64, device=accelerator()))
    weight.grad = torch.ones_like(weight)
    AdamW8bit([weight], lr=0.5).step()
    if not torch.allclose(
        weight, torch.full_like(weight, -0.5), rtol=0.01
    ):  # a first step of Adam is the learning rate
        raise InputError("a step went astray")
    return "optimizer=adamw-8bit works"


def _paged() -> str:
    require_optimizer("paged-adamw-8bit")
    return "optimizer=paged-adamw-8bit works"


def _cache() -> Finding:
    def write() -> str:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        return f"{folder} can be written"

    return _attempt("cache", write, True, "set WORKBENCH_CACHE to a folder that can be written")


def _room(workspace: Workspace) -> Finding:
    existing = next(path for path in (workspace.root, *workspace.root.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    enough = free > ROOM_GB
    remedy = "" if enough else f"make {ROOM_GB:g} GB free, or name another --workspace (or set WORKBENCH_HOME)"
    return Finding("disk", enough, True, f"{free:.1f} GB free at {existing}", remedy)


def _swept(workspace: Workspace) -> Iterator[Finding]:
    """Delete what killed runs have left half-written, and say so where there was something."""
    if swept := workspace.sweep():
        yield Finding("swept", True, False, f"{swept / 1e6:.1f} MB that killed runs had left half-written")


def _tracking(workspace: Workspace) -> Finding:
    uri = tracking_uri(workspace.root)
    tracker = Tracker(uri)
    if tracker.database:
        later = "" if tracker.database.is_file() else " (made when something is logged)"
        return Finding("tracking", True, False, f"{printable_address(uri)}{later}")
    try:
        tracker.ping()
    except TrackingError as error:
        later = "runs go on without it, and `workbench report EXPERIMENT --log` catches up"
        remedy = f"start it, or unset MLFLOW_TRACKING_URI; {later}"
        return Finding("tracking", False, False, error.what, remedy)
    return Finding("tracking", True, False, f"{printable_address(uri)} answers")


def _hub() -> Finding:
    """Ask the hub for its front page; datasets and transformers ask the same place, unless they are told not to."""
    import requests
    from huggingface_hub import constants

    remedy = (
        "the shipped tasks and backbones need no hub; for others, download on a machine that has it and give the path"
    )
    if constants.HF_HUB_OFFLINE:
        return Finding("hub", False, False, "HF_HUB_OFFLINE is set", f"unset it; {remedy}")

    def ask() -> str:
        try:
            requests.head(constants.ENDPOINT, timeout=PATIENCE, allow_redirects=True)
        except Exception as error:  # any library may raise here, each with a message of many lines
            raise InputError(f"{constants.ENDPOINT} does not answer ({type(error).__name__})") from None
        return f"{constants.ENDPOINT} answers"

    return _attempt("hub", ask, False, remedy)


def _attempt(name: str, work: Callable[[], str], needed: bool, remedy: str) -> Finding:
    try:
        return Finding(name, True, needed, work())
    except Exception as error:  # whatever a library raises here is the finding
        detail = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Finding(name, False, needed, detail, remedy)
