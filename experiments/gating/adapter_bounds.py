"""What may be asked of an adapter, on validation: no test example is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from adapter_workbench.experiments.gating.gate import require_number, require_percent
from adapter_workbench.workbench.errors import InputError

MARGIN = 2.0  # points that may be lost against the champion where they are shown not to be exceeded


@dataclass(frozen=True)
class AdapterBounds:
    """What may be asked of an adapter.

    Attributes:
        min_score: percent; its validation score that counts here.
        below_champion: points that may be lost against the registered champion
            (:mod:`adapter_workbench.experiments.gating.takeover`); None where it is not asked.
        min_agreement: percent of the validation examples to which the adapter ``against`` gives the same answer.
        against: what that adapter is called.
        min_macro_f1: percent; the mean F1 of the labels on the validation examples.
        min_worst_label: percent; the F1 of the label that is answered worst there.
        max_ece: points; the expected calibration error on the validation examples, see the probe ``calibration``.
        accept_loss: whether a person accepts what is lost against the champion.
    """

    min_score: float | None = None
    below_champion: float | None = None
    min_agreement: float | None = None
    against: str | None = None
    max_ece: float | None = None
    min_macro_f1: float | None = None
    min_worst_label: float | None = None
    accept_loss: bool = False

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
