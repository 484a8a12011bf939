"""adapters: bottleneck modules and their kin (https://docs.adapterhub.ml)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import nn

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, read_config
from adapter_workbench.workbench.backbone.model_folder import tensor_names
from adapter_workbench.workbench.methods.libraries._described import describe, differing
from adapter_workbench.workbench.methods.libraries._places import require_apart, require_none_left

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig

NAME = "workbench"
CACHE = {"past_key_value", "past_key_values"}
BEGINNING = frozenset(  # of no meaning once weights are stored
    {"init_weights", "init_weights_seed", "phm_c_init", "phm_init_range", "hypercomplex_nonlinearity", "learn_phm"}
)
IN_TRAINING = frozenset({"dropout", "stochastic_depth"})
INSIDE = frozenset({"reduction_factor", "non_linearity", "scaling"})  # a bottleneck, which leave all else as it is


class Adapters:
    """Adds one adapter, always under the same name, so that a stored folder does not depend on where it was made."""

    def attach(self, body: Any, config: Any) -> nn.Module:
        """Return the body with a fresh active adapter."""
        prepare(body)
        body.add_adapter(NAME, config=config)
        return _trainable(body)

    def save(self, body: Any, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter.safetensors``, as the package does where it can.

        Where weights are shared between layers it cannot: a prefix stands in its model once for each layer, which
        safetensors refuses; and of a body without a head it forgets ``shared_parameters``, since it looks for a dot
        before that name. So each tensor is written once, shared ones under the name they have in a model with a head.
        What is written is a copy in the order of rows: the package's own ``pre_save_adapters`` changes the order that
        LoReFT's rotations have in memory, and on some processors with it the last bit of every answer.
        """
        from adapters.loading import AdapterLoader

        loader = AdapterLoader(body, use_safetensors=True)
        folder.mkdir(exist_ok=True)
        adapter_names, config = loader.save_to_state_dict(NAME)
        shared = f"shared_parameters.{NAME}."
        tensors = dict(chain(body.named_parameters(), body.named_buffers()))
        of_adapter = {
            name: tensor.detach().contiguous()
            for name, tensor in tensors.items()
            if name in adapter_names or name.startswith(shared)
        }
        if any(name.startswith(shared) for name in of_adapter):
            of_adapter = {f"{body.base_model_prefix}.{name}": tensor for name, tensor in of_adapter.items()}
        loader.weights_helper.save_weights_config(str(folder), config)
        save_file(of_adapter, folder / ADAPTERS_WEIGHTS)

    def load(self, body: Any, folder: Path, config: Any) -> nn.Module:
        """Return the body with the stored adapter active and trainable."""
        prepare(body)
        load_whole(body, folder, NAME)
        return _trainable(body)

    def configuration(self, described: Mapping[str, Any]) -> Any:
        """Return the package's configuration with these fields."""
        from adapters import AdapterConfig

        return AdapterConfig.load(dict(described))

    def contradiction(self, folder: Path, config: Any, architecture: PretrainedConfig, reshapes: bool) -> str | None:
        """Return in what the stored configuration is another one than ``config``; None where it is not."""
        from adapters import AdapterConfig

        stored = AdapterConfig.load(read_config(folder)["config"])
        return describe(differing(stored.to_dict(), config.to_dict()))

    def host(self, body: Any, folder: Path, name: str) -> nn.Module:
        prepare(body)
        load_whole(body, folder, name)
        return _with_room_for_prefixes(body)

    def switch(self, body: Any, name: str) -> None:
        """Make one hosted adapter the active one."""
        body.set_active_adapters(name)

    def mixes(self, body: Any) -> bool:
        """Return whether all are bottlenecks without an invertible part, which the package splits batches for.

        What is done around them is done once for the whole batch, as the first of them has it, so they have to be alike
        in that: where they sit, and which norms and residuals stand before and after them.
        """
        from adapters import BnConfig

        configs = [body.adapters_config.get(name) for name in body.adapters_config.adapters]
        if not all(isinstance(config, BnConfig) and not config.inv_adapter for config in configs):
            return False
        around = [
            {key: value for key, value in computing(config.to_dict()).items() if key not in INSIDE}
            for config in configs
        ]
        return all(config == around[0] for config in around)

    def mix(self, body: Any, names: Sequence[str]) -> Mapping[str, Any]:
        """Split the batch by runs of equal names; the forward pass needs nothing beside it."""
        from adapters.composition import BatchSplit

        runs = [(name, len(list(rows))) for name, rows in groupby(names)]
        if len(runs) == 1:
            self.switch(body, names[0])
        else:
            body.set_active_adapters(BatchSplit(*(name for name, _ in runs), batch_sizes=[size for _, size in runs]))
        return {}

    def detach(self, body: Any) -> nn.Module:
        body.delete_adapter(NAME)
        model: nn.Module = body
        return model


def computing(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides what an adapter computes, out of a config of the package as JSON has it."""
    return {key: value for key, value in config.items() if key not in BEGINNING | IN_TRAINING}


def load_whole(body: Any, folder: Path, name: str) -> None:
    """Load a stored adapter as ``name``.

    Raises:
        ValueError: some of its weights are missing, which the package would draw anew; or there are others, which it
            would drop, or put in the place of the backbone's.
    """
    start, report = f"{body.base_model_prefix}.", dict[str, list[str]]()
    stored = [tensor.removeprefix(start) for tensor in tensor_names(folder / ADAPTERS_WEIGHTS)]
    require_apart(stored, body.state_dict(keep_vars=True))
    body.load_adapter(str(folder), load_as=name, with_head=False, use_safetensors=True, loading_info=report)
    require_loaded(body, report["missing_keys"])
    require_none_left(report["unexpected_keys"])


def require_loaded(body: Any, missing: Sequence[str]) -> None:
    """Raise ValueError where a tensor was not loaded under any of its names; a shared one stands in files once."""
    tensors = body.state_dict(keep_vars=True)
    missing_names = {name.removeprefix(f"{body.base_model_prefix}.") for name in missing}
    loaded = {id(tensor) for name, tensor in tensors.items() if name not in missing_names}
    if lacking := sorted(name for name in missing_names if id(tensors.get(name)) not in loaded):
        raise ValueError(f"the weights of {lacking[0]} are missing")


def prepare(body: Any) -> None:
    """Make ``body`` ready for adapters, once, and put two things right that the package does wrong when it generates.

    Its layers for llama and its kin know the cache of keys and values under the name it had before transformers 4.56
    and ignore it under the new name: a token would be predicted from the one before it alone. So a hook renames the
    argument. And an intervention at the first tokens of a text (LoReFT) would be repeated at every generated token. It
    is kept to the text.
    """
    import adapters
    from adapters.methods.reft import ReftLayer

    if hasattr(body, "adapters_config"):
        return
    adapters.init(body)
    for module in body.modules():
        accepted = CACHE & inspect.signature(module.forward).parameters.keys()
        if len(accepted) == 1:
            module.register_forward_pre_hook(partial(_with_cache, accepted.pop()), with_kwargs=True)
        if isinstance(module, ReftLayer):
            module.forward = partial(_edit, module, module.forward)


def _trainable(body: Any) -> nn.Module:
    """Return the body with its adapter active and trainable."""
    body.train_adapter(NAME)
    return _with_room_for_prefixes(body)


def _with_room_for_prefixes(body: Any) -> nn.Module:
    """Return the body with an attention that is right also where a prefix stands before the text.

    Under a prefix, to call attention "causal" is not enough: torch counts positions from the first key, which is
    the prefix's, so that a token would not even see itself. The eager attention always has its mask written out.
    """
    if any(".prefix_tunings." in name for name, _ in body.named_parameters()):
        body.set_attn_implementation("eager")
    model: nn.Module = body
    return model


def _with_cache(name: str, module: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return arguments, {name if key in CACHE else key: value for key, value in named.items()}


def _edit(layer: Any, forward: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Return the states (batch, tokens, h) as the layer edits them, at the first tokens of a text and only there."""
    from adapters.context import ForwardContext

    context, tokens = ForwardContext.get_context(), states.shape[1]
    if not hasattr(context, "seqlens") or not layer.refts:
        return forward(states)
    if int((context.offsets + context.seqlens).max()) > tokens:  # the mask counts those in the cache too
        return states
    if int(context.offsets.max()) and not hasattr(context, "pref_idx"):  # padded on the left: some may be too short
        positions = torch.arange(min(next(iter(layer.refts.values())).prefix_positions, tokens), device=states.device)
        first = (context.offsets.unsqueeze(1) + positions).clamp(max=tokens - 1)  # (batch, positions)
        context.pref_idx = first.unsqueeze(2).expand(-1, -1, states.shape[2])
    return forward(states)


LIBRARY = Adapters()
