"""peft: low-rank and other reparametrised updates (https://huggingface.co/docs/peft)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, read_config
from adapter_workbench.workbench.backbone.architecture import linear_layers
from adapter_workbench.workbench.backbone.module_patterns import require_bounded_patterns
from adapter_workbench.workbench.methods.libraries._described import describe, differing_in_peft
from adapter_workbench.workbench.methods.libraries._packed_layers import asking_for_packed
from adapter_workbench.workbench.methods.libraries._peft_targets import targets_beyond_peft, targets_by_name
from adapter_workbench.workbench.methods.libraries._peft_tensors import (
    own_replaced,
    put_back_own,
    require_own_unchanged,
    require_places,
)
from adapter_workbench.workbench.settings.base import MethodSettings

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.libraries._lora_bank import LoraBank

ALL_LINEAR = "all-linear"
NO_CONV1D = {"BOFT", "C3A", "DELORA", "HRA", "LOHA", "LOKR", "MISS", "OFT", "ROAD", "SHIRA"}  # tuners of peft 0.21

# peft 0.21 asks the models of transformers 5 by a name that they are about to give up
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
# it looks for the patterns of parameters (`target_parameters`) among modules, and follows them all the same
warnings.filterwarnings("ignore", message="The following (rank|alpha)_pattern keys did not match any targeted module")


class TargetedSettings(MethodSettings):
    """``targets``: by default what peft knows for the architecture, which is mostly a part of attention.

    Where peft knows none, they are all of attention's matrices.
    """

    targets: tuple[str, ...] | str | None = Field(
        None,
        max_length=1000,
        description="names of the matrices, a regular expression, or all-linear: every linear layer of the transformer",
    )

    @field_validator("targets")
    @classmethod
    def _an_expression(cls, targets: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        try:
            re.compile(targets if isinstance(targets, str) else "")
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return targets

    def modules_of(self, config: PretrainedConfig, tuner: str = "LORA") -> list[str] | str | None:
        """Return the targets in the architecture of ``config`` as peft takes them; None: those that peft knows.

        Args:
            config: of the backbone.
            tuner: peft's name of the type, where it knows fewer architectures than for a LoRA.
        """
        if self.targets is None:
            return targets_beyond_peft(config, tuner)
        if self.targets == ALL_LINEAR:
            return linear_layers(config)
        return list(self.targets) if isinstance(self.targets, tuple) else self.targets


def targets_in_words(settings: MethodSettings, config: PretrainedConfig) -> str | None:
    """Return which matrices are adapted, where nobody named targets and peft knows none; None elsewhere."""
    if not isinstance(settings, TargetedSettings) or settings.targets is not None:
        return None
    modules = targets_beyond_peft(config, "LORA")
    if not modules:
        return None
    last = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in modules))
    count = f"all {len(modules)} matrices of attention ({last})"
    return f"peft names no targets for {config.model_type}, so that {count} are adapted; `targets` names others"


def needs_targets(
    configure: Callable[[Any, PretrainedConfig], Any],
    unfit: Callable[[Any, int, int], str | None] = lambda settings, rows, columns: None,
    embeddings: bool = False,
) -> Callable[[Any, PretrainedConfig, str], str | None]:
    """Return the objection of a method that adapts single matrices.

    Args:
        configure: the method's.
        unfit: settings and a matrix's numbers of rows and columns → why the method cannot adapt it.
        embeddings: whether it adapts embeddings as well as linear layers.
    """

    def objection(settings: Any, config: PretrainedConfig, kind: str) -> str | None:
        from torch.nn import Embedding, Linear
        from transformers.pytorch_utils import Conv1D

        fit = (Linear, Conv1D, Embedding) if embeddings else (Linear, Conv1D)
        peft_config = configure(settings, config)
        named = targets_by_name(peft_config, config)
        if not named:
            hint = " (name some: `targets`)" if isinstance(settings, TargetedSettings) else ""
            return f"no matrix there has a name that peft would adapt{hint}"
        if other := next((name for name, module in named.items() if not isinstance(module, fit)), None):
            adaptable = "neither a linear layer nor an embedding" if embeddings else "not a linear layer"
            return f"`targets` name {other}, a module {type(named[other]).__name__}, which is {adaptable}"
        modules: list[Any] = [*named.values()]
        transposed = [isinstance(module, Conv1D) for module in modules]
        if any(transposed) and peft_config.peft_type in NO_CONV1D:
            return "its matrices are stored transposed (Conv1D), and this method of peft cannot adapt those"
        shapes = [
            module.weight.shape[::-1] if turned else module.weight.shape
            for module, turned in zip(modules, transposed, strict=True)
        ]
        return next((why for rows, columns in shapes if (why := unfit(settings, rows, columns))), None)

    return objection


def trains_biases(config: Mapping[str, Any]) -> bool:
    """Return whether a config of peft's trains biases of the backbone's own, beside what it puts there."""
    return bool(config.get("bias", "none") != "none")


def trains_whole(config: Mapping[str, Any]) -> bool:
    """Return whether a config of peft's trains copies of whole modules, or of the embeddings of some tokens."""
    return bool(config.get("modules_to_save") or config.get("trainable_token_indices"))


def _require_bounded(folder: Path, body: nn.Module) -> None:
    names = (name for name, _ in body.named_modules())
    require_bounded_patterns(read_config(folder), names, str(folder / CONFIG))


@contextmanager
def require_all_weights() -> Iterator[None]:
    """Let loading fail where stored weights lack some of an adapter's: peft draws them anew, and warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found missing adapter keys")
        yield


def write(body: Any, folder: Path, **options: Any) -> None:
    """Write the adapters of a wrapped body as peft does, with the folder of the body as their base model's name.

    An adapter that was stored names the hub. peft would look there, at every save, for whether embeddings were resized:
    a request, and half a minute of them without a network.
    """
    folder_of_body = getattr(body.get_base_model(), "name_or_path", None)
    for config in body.peft_config.values():
        config.base_model_name_or_path = folder_of_body or config.base_model_name_or_path
    body.save_pretrained(folder, **options)


class Peft:
    """Wraps the body in a ``PeftModel`` with one adapter called ``default``."""

    calls_layers = True

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        """Return the wrapped body; ``config`` stays as it is: a fit may change the body's own (its rank)."""
        from peft import get_peft_model

        with asking_for_packed(body):
            model: nn.Module = get_peft_model(body, deepcopy(config))
        return model

    def save(self, body: Any, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors``."""
        write(body, folder)
        (folder / "README.md").unlink(missing_ok=True)

    def load(self, body: nn.Module, folder: Path, config: Any) -> nn.Module:
        """Return the wrapped body with the stored weights; the stored configuration rules.

        Biases of the backbone's own are replaced where the configuration says that they were trained.
        """
        from peft import PeftModel

        _require_bounded(folder, body)
        replaced = own_replaced(body, folder, trains_biases(read_config(folder)))
        with require_all_weights(), asking_for_packed(body):
            model: Any = PeftModel.from_pretrained(body, folder, is_trainable=True)
        require_places(model, folder)
        model.pretrained = replaced
        wrapped: nn.Module = model
        return wrapped

    def configuration(self, described: Mapping[str, Any]) -> Any:
        """Return the ``PeftConfig`` with these fields."""
        from peft import PeftConfig

        return PeftConfig.from_peft_type(**described)

    def contradiction(self, folder: Path, config: Any, architecture: PretrainedConfig, reshapes: bool) -> str | None:
        """Return in what the stored configuration is another one than ``config``; None where it is not."""
        from peft import PeftConfig

        stored = PeftConfig.from_pretrained(folder)
        return describe(differing_in_peft(stored, config, architecture, reshapes))

    def host(self, body: Any, folder: Path, name: str) -> nn.Module:
        """Return the wrapped body with one more adapter; all of them have to be of one method."""
        from peft import PeftModel

        _require_bounded(folder, body)
        require_own_unchanged(body.get_base_model() if isinstance(body, PeftModel) else body, folder)
        if not isinstance(body, PeftModel):
            with require_all_weights(), asking_for_packed(body):
                model: nn.Module = PeftModel.from_pretrained(body, folder, name)
            require_places(model, folder, name)
            return model
        with asking_for_packed(body):
            missing = body.load_adapter(str(folder), name).missing_keys
        if missing:
            raise ValueError(f"the weights of {missing[0]} are missing")
        require_places(body, folder, name)
        hosting: nn.Module = body
        return hosting

    def switch(self, body: Any, name: str) -> None:
        """Make one hosted adapter the active one."""
        body.set_adapter(name, inference_mode=True)

    def bank(self, body: nn.Module, precision: Precision, most_bytes: int | None = None) -> LoraBank:
        """Return a place for plain LoRAs beside the body: no DoRA, and nothing trained beside them."""
        from adapter_workbench.workbench.methods.libraries._lora_bank import (
            LoraBank,  # imports torch, and settings are read without it
        )

        return LoraBank(body, precision, most_bytes)

    def fits_bank(self, architecture: PretrainedConfig) -> Callable[[Path], bool]:
        """Return what tells of a stored adapter's folder whether it is a plain LoRA."""
        from adapter_workbench.workbench.methods.libraries._lora_layout import Layouts

        layouts = Layouts(architecture)
        return lambda folder: layouts.of(folder) is not None

    def detach(self, body: Any) -> nn.Module:
        """Return the bare body; the update is dropped, not merged, and all else is the backbone's own again."""
        put_back_own(body)  # peft would leave what was trained whole in its place
        bare: nn.Module = body.unload()
        return bare

    def merge(self, body: Any) -> nn.Module | None:
        """Return the bare body with W + ΔW for each W; None for prompts, which are no update of weights."""
        return body.merge_and_unload() if hasattr(body, "merge_and_unload") else None


LIBRARY = Peft()
