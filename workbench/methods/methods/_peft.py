"""What the cards share whose method peft carries out on single matrices: a card is its settings and a few names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PretrainedConfig

Configure = Callable[[Any, "PretrainedConfig"], Any]
Unfit = Callable[[Any, int, int], str | None]


def configured_by(
    name: str,
    settings: type[TargetedSettings],
    renamed: Mapping[str, str] | None = None,
    usual: Mapping[str, list[str]] | None = None,
    tuner: str = "LORA",
    **fixed: Any,
) -> Configure:
    """Return what turns settings into peft's configuration of the class ``name``.

    Args:
        name: of the class.
        settings: the card's; what it adds goes to the field of the same name, and ``rank`` to ``r``.
        renamed: setting → the field that it goes to, where that has another name.
        usual: type of architecture → the targets where none are set, and not those of peft.
        tuner: peft's name of the type, where it knows fewer architectures than for a LoRA.
        fixed: fields that no setting decides.
    """
    own = settings.model_fields.keys() - TargetedSettings.model_fields.keys()
    fields = {setting: {"rank": "r", **(renamed or {})}.get(setting, setting) for setting in own}

    def configure(chosen: Any, config: PretrainedConfig) -> PeftConfig:
        import peft

        given = {field: getattr(chosen, setting) for setting, field in fields.items()}
        targets = chosen.modules_of(config, tuner) or (usual or {}).get(config.model_type)
        made: PeftConfig = getattr(peft, name)(
            task_type=peft.TaskType.FEATURE_EXTRACTION, target_modules=targets, **given, **fixed
        )
        return made

    return configure


def on_matrices(
    title: str,
    paper: str,
    settings: type[TargetedSettings],
    configure: Configure,
    unfit: Unfit = lambda settings, rows, columns: None,
    embeddings: bool = False,
    **facts: Any,
) -> Method:
    """Return the card of a method that adapts matrices; ``facts`` are further fields, else as :func:`needs_targets`."""
    objection = needs_targets(configure, unfit, embeddings)
    return Method(
        title=title, paper=paper, library="peft", settings=settings, configure=configure, objection=objection, **facts
    )


def divides(setting: str, *sides: str) -> Unfit:
    """Return the objection of a method whose ``setting`` has to divide the ``rows`` or ``columns`` of each matrix."""

    def unfit(settings: Any, rows: int, columns: int) -> str | None:
        part, lengths = getattr(settings, setting), {"rows": rows, "columns": columns}
        if not any(lengths[side] % part for side in sides):
            return None
        size = f"{rows} × {columns}" if len(sides) > 1 else f"{lengths[sides[0]]} {sides[0]}"
        return f"{setting} {part} does not divide a matrix of {size}"

    return unfit
