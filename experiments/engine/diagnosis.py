"""Checks what works on this machine by trying it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.sources.python import GROUP as ROWS
from adapter_workbench.workbench.backbone.quantisation import keep_as_packed
from adapter_workbench.workbench.errors import InputError, PluginError, TrackingError, suggest
from adapter_workbench.workbench.errors.printable import without_credentials
from adapter_workbench.workbench.files.cache import cache_folder
from adapter_workbench.workbench.machine.extras import EXTRAS, install_command, installed_version
from adapter_workbench.workbench.mlflow.address import printable_address, tracking_uri
from adapter_workbench.workbench.mlflow.tracker import Tracker
from adapter_workbench.workbench.settings.plugins import groups, plugins_of
from adapter_workbench.workbench.training import require_optimizer

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.settings.base import Quantization
    from adapter_workbench.workbench.settings.plugins import Plugin
    from adapter_workbench.workbench.settings.registry import Modules

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
FREE_GB = 2.0
PATIENCE = 3.0  # seconds that the hub has to answer
REMEDY = "mend that package or uninstall it; its other entries work"


# What a check of this machine found.


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str  # what was checked
    works: bool  # whether it works here
    needed: bool  # whether all commands need it
    detail: str  # what the check saw
    remedy: str = ""  # what to do if it does not work; empty if there is nothing to do

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def attempt(name: str, work: Callable[[], str], needed: bool, remedy: str) -> Finding:
    """Return whether ``work`` succeeds; it returns the detail, and an error is the detail too."""
    try:
        return Finding(name, True, needed, work())
    except Exception as error:  # whatever a library raises here is the finding
        detail = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Finding(name, False, needed, detail, remedy)


def diagnose(workspace: Workspace, offline: bool = False) -> list[Finding]:
    """Check everything; a failure is a finding, never an exception. ``offline`` leaves out what needs the network."""
    findings = [
        *_packages(),
        *device_findings(),
        *quantisation_findings(),
        _cache(),
        _disk(workspace),
        *_leftovers(workspace),
    ]
    findings.append(_tracking(workspace))
    return findings if offline else [*findings, _hub()]


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        if version := installed_version(name):
            yield Finding(name, True, name not in EXTRAS, version)
        elif name in EXTRAS:
            remedy = f"{install_command(name)}, for {BRINGS[name]}"
            yield Finding(name, False, False, "not installed", remedy)
        else:
            yield Finding(name, False, True, "not installed", f"pip install {name}, or install the project again")


def _cache() -> Finding:
    def write() -> str:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        return f"{folder} can be written"

    return attempt("cache", write, True, "set WORKBENCH_CACHE to a folder that can be written")


def free_bytes(folder: Path) -> int:
    """Return how many bytes are free on the disk that this folder is on."""
    return shutil.disk_usage(folder).free


def _disk(workspace: Workspace) -> Finding:
    existing = next(path for path in (workspace.root, *workspace.root.parents) if path.exists())
    free = free_bytes(existing) / 1e9
    enough = free > FREE_GB
    remedy = "" if enough else f"make {FREE_GB:g} GB free, or name another --workspace (or set WORKBENCH_HOME)"
    return Finding("disk", enough, True, f"{free:.1f} GB free at {existing}", remedy)


def _leftovers(workspace: Workspace) -> Iterator[Finding]:
    """Delete half-written files of killed runs, and say so if there were any."""
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
        remedy = f"start it, do what it says, or unset MLFLOW_TRACKING_URI; {later}"
        return Finding("tracking", False, False, error.what, remedy)
    return Finding("tracking", True, False, f"{printable_address(uri)} answers")


def _hub() -> Finding:
    """Ask the hub for its front page; datasets and transformers use the same address, unless they are told not to."""
    import requests
    from huggingface_hub import constants

    remedy = (
        "the shipped tasks and backbones need no hub; for others, download on a machine that has it and give the path"
    )
    if constants.HF_HUB_OFFLINE:
        return Finding("hub", False, False, "HF_HUB_OFFLINE is set", f"unset it; {remedy}")

    endpoint = without_credentials(constants.ENDPOINT)

    def ask() -> str:
        try:
            requests.head(constants.ENDPOINT, timeout=PATIENCE, allow_redirects=True)
        except Exception as error:  # any library may raise here, each with a message of many lines
            raise InputError(f"{endpoint} does not answer ({type(error).__name__})") from None
        return f"{endpoint} answers"

    return attempt("hub", ask, False, remedy)


# Checks of the GPU, of fast number types, and of quantisation.


def device_findings() -> Iterator[Finding]:
    """Yield whether there is a GPU, and whether bfloat16 is fast."""
    import torch

    from adapter_workbench.workbench.machine.device import accelerator, resolve_precision

    device = accelerator().type
    gpu = device != "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else device
    detail = name if gpu else f"none; models run on {os.cpu_count()} processor cores"
    remedy = "" if gpu else "nothing to do: processors work; for a GPU, install the build of torch for its CUDA or ROCm"
    yield Finding("GPU", gpu, False, detail, remedy)
    fast = resolve_precision("auto") == "bf16"
    remedy = "" if fast else "nothing to do: fp32 gives the same scores, and bf16 would take longer here"
    yield Finding("bfloat16", fast, False, f"precision auto means {resolve_precision('auto')} here", remedy)


def quantisation_findings() -> Iterator[Finding]:
    """Yield whether backbones can be quantized, and optimizers use 8 bits or paging."""
    packed = "a bitsandbytes for this device (pip install -U bitsandbytes); without it leave budget.quantization out"
    moments = "leave optimizer at adamw, or get a bitsandbytes for this device (pip install -U bitsandbytes)"
    yield attempt("nf4 backbones", lambda: _gradient("nf4"), False, packed)
    yield attempt("int8 backbones", lambda: _gradient("int8"), False, packed)
    yield attempt("8-bit AdamW", _eight_bit_step, False, moments)
    yield attempt("paged AdamW", _paged_step, False, "leave optimizer at adamw; paging needs a CUDA GPU")


def _gradient(quantization: Quantization) -> str:
    """Multiply by a packed matrix there and back."""
    import torch
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    from adapter_workbench.workbench.machine.device import accelerator

    plain = torch.nn.Linear(64, 64)
    layer = (
        Linear4bit(64, 64, quant_type="nf4") if quantization == "nf4" else Linear8bitLt(64, 64, has_fp16_weights=False)
    )
    layer.load_state_dict(plain.state_dict())
    keep_as_packed(layer.to(accelerator()))
    inputs = torch.ones(2, 64, device=layer.weight.device, requires_grad=True)
    layer(inputs).sum().backward()
    expected = plain.weight.detach().sum(dim=0)
    error = (
        (inputs.grad[0].cpu() - expected).detach().norm() / expected.norm() if inputs.grad is not None else torch.inf
    )
    return f"budget.quantization={quantization} works; a gradient through a packed matrix is off by {float(error):.1%}"


def _eight_bit_step() -> str:
    import torch
    from bitsandbytes.optim import AdamW8bit

    from adapter_workbench.workbench.machine.device import accelerator

    weight = torch.nn.Parameter(torch.zeros(64, 64, device=accelerator()))
    weight.grad = torch.ones_like(weight)
    AdamW8bit([weight], lr=0.5).step()
    if not torch.allclose(
        weight, torch.full_like(weight, -0.5), rtol=0.01
    ):  # a first step of Adam is the learning rate
        raise InputError("a step gave wrong weights")
    return "optimizer=adamw-8bit works"


def _paged_step() -> str:
    require_optimizer("paged-adamw-8bit")
    return "optimizer=paged-adamw-8bit works"


# Findings about what installed distributions add to the registries: what works, and what is wrong with the rest.


def plugin_findings(registries: Sequence[Modules[Any]]) -> Iterator[Finding]:
    """Yield a finding for each entry of an installed distribution, and for each group that no registry reads."""
    for registry in registries:
        yield from map(_finding, registry.plugins)
    yield from map(_finding, plugins_of(ROWS, "rows", object, ()))
    known = {ROWS, *(registry.group for registry in registries)}
    for group, points in groups().items():
        if group not in known:
            names = ", ".join(point.name for point in points)
            detail = f"nothing reads this group of entry points ({names})"
            yield Finding(group, False, False, detail, suggest(group, known).removesuffix("."))


def _finding(plugin: Plugin) -> Finding:
    name = f"{plugin.noun} {plugin.name}"
    try:
        plugin.load()
    except PluginError as error:
        return Finding(name, False, False, error.what, REMEDY)
    return Finding(name, True, False, plugin.code)
