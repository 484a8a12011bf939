"""What may be asked of an adapter, on validation: no test example is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.gating.gate import require_number, require_percent
from adapter_workbench.workbench.errors import InputError

MARGIN = 2.0  # points that may be lost against the champion where they are shown not to be exceeded


@dataclass(frozen=True)
class AdapterBounds:
    """What may be asked of an adapter."""

    min_score: Annotated[
        float | None, Field(description="Adapter: the least validation score, in percent (an R² times 100).")
    ] = None
    below_champion: Annotated[
        float | None,
        Field(description="Points that may be lost against the champion (`takeover.py`); it is not asked if None."),
    ] = None
    min_agreement: Annotated[
        float | None,
        Field(
            description="Adapter: the least percentage of validation answers that are the same as those of --against."
        ),
    ] = None
    against: Annotated[
        str | None,
        Field(
            description="With --min-agreement: the other adapter, such as the previous version; a task means its "
            "champion."
        ),
    ] = None
    max_ece: Annotated[
        float | None,
        Field(description="Adapter: the highest calibration error (ECE) on validation, in points."),
    ] = None
    min_macro_f1: Annotated[
        float | None,
        Field(description="Adapter: the least macro F1 on validation, in percent: the mean over labels."),
    ] = None
    min_worst_label: Annotated[
        float | None,
        Field(description="Adapter: the least F1 on validation that any label may have, in percent."),
    ] = None
    accept_loss: Annotated[
        bool,
        Field(
            description="Make it the champion although it loses against the one before; what it loses is written into "
            "its manifest."
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises InputError."""
        require_percent(self.min_score, "--min-score")
        if self.below_champion is not None:
            require_number(self.below_champion, "--margin")
            if self.below_champion < 0:
                raise InputError(f"a margin is 0 or more points, not {self.below_champion:g}", where="--margin")
        require_percent(self.min_agreement, "--min-agreement")
        require_percent(self.min_macro_f1, "--min-macro-f1")
        require_percent(self.min_worst_label, "--min-worst-label")
        if self.max_ece is not None:
            require_number(self.max_ece, "--max-ece")
        if self.min_agreement is not None and self.against is None:
            hint = "Add --against ID; the name of a task means its champion there."
            raise InputError("--min-agreement needs --against ID", hint=hint)
        if self.against is not None and self.min_agreement is None:
            hint = "Add --min-agreement X."
            raise InputError("--against needs --min-agreement X", hint=hint)

    @property
    def asked(self) -> bool:
        """Whether there is any bound."""
        return self.needs_answers or self.min_score is not None or self.below_champion is not None

    @property
    def needs_answers(self) -> bool:
        """Whether the model has to answer the validation examples."""
        return self.min_agreement is not None or self.max_ece is not None or self.needs_labels

    @property
    def needs_labels(self) -> bool:
        """Whether single labels are looked at."""
        return self.min_macro_f1 is not None or self.min_worst_label is not None
