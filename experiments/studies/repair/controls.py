"""Controls of repairs: heads on the frozen backbone, fitted on just the rows that a repair reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.repairs import CONTROL, REPAIRS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter_workbench.experiments.studies.repair.record import Entry
    from adapter_workbench.workbench.settings.base import Settings

Repairs = dict[str, tuple[str, "Settings"]]


def with_controls(repairs: Mapping[str, tuple[str, Settings]]) -> tuple[Repairs, dict[str, str]]:
    """Return repairs with the controls that they lack, and for each repair the label of its control.

    All repairs read the validation rows, which choose among attempts. A repair with a setting ``examples`` reads so
    many training rows of each task too, and its control is fitted on as many. Repairs that read the same rows have one
    control; one that the recipe names with these settings is it.
    """
    added, control_of = dict(repairs), dict[str, str]()
    for label, (repair, settings) in repairs.items():
        if repair == CONTROL:
            continue
        examples = getattr(settings, "examples", 0)
        read = {"examples": examples if isinstance(examples, int) else 0}
        wanted: Any = REPAIRS.get(CONTROL).settings.model_validate(read)
        name = next((name for name, entry in added.items() if entry == (CONTROL, wanted)), None)
        if name is None:
            name = _free_label(CONTROL if not wanted.examples else f"{CONTROL}-{wanted.examples}", added)
            added[name] = (CONTROL, wanted)
        control_of[label] = name
    return added, control_of


def needed(entries: Iterable[Entry], asked: Iterable[str]) -> list[Entry]:
    """Return the entries of one of a stream's entries, controls last, without controls that nothing is compared with.

    Args:
        entries: repairs and controls.
        asked: labels that the recipe names itself; they stay.
    """
    given = [*entries]
    used = {entry.control for entry in given if not entry.refused} | {*asked}
    return [
        *(entry for entry in given if not entry.is_control),
        *(entry for entry in given if entry.is_control and entry.name in used),
    ]


def _free_label(label: str, taken: Mapping[str, object]) -> str:
    return label if label not in taken else _free_label(f"{label}-control", taken)
