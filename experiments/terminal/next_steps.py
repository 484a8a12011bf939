"""The command that comes next, as every command prints it: options that were given are repeated.

What follows from a comparison is made in :mod:`.advice`, from the readings that its verdict has.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.experiments.requests.lesson import BACKBONE
from adapter_workbench.experiments.terminal.output import stdout

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.core.report import StudyReport

BACKBONES = {"causal-lm": "smollm2", "seq2seq": "google/flan-t5-small"}  # for kinds that the default one cannot do


def options(
    workspace: Path | None = None, tasks: Sequence[Path] | None = None, assignments: Sequence[str] | None = None
) -> str:
    """Return ``--workspace``, ``--tasks`` and ``--set`` as they were given, with a space before each."""
    pairs: list[tuple[str, object]] = [("--set", assignment) for assignment in assignments or ()]
    pairs += [("--workspace", workspace), *(("--tasks", folder) for folder in tasks or ())]
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in pairs if value is not None)


def named(pairs: Sequence[tuple[str, str | None]]) -> str:
    """Return options as they were given, with a space before each; those that were left out are not there."""
    return "".join(f" {name} {shlex.quote(value)}" for name, value in pairs if value is not None)


def print_next(commands: Sequence[str]) -> None:
    """Print commands, one a line, the likeliest first."""
    lines = "\n      ".join(commands)
    stdout.print(f"\nNext: {lines}")


def training(task: str, kind: str, further: str) -> str:
    """Return the command that trains ``task``; ``further`` are other options, each with a space before it."""
    backbone = f" --backbone {BACKBONES[kind]}" if kind in BACKBONES else ""
    return f"workbench train {task} --method lora{backbone}{further}"


def adding(task: str, method: str, backbone: str, seed: int, further: str) -> str:
    """Return the command that lets the trained adapter answer under the task's name, if all checks pass."""
    differing = [] if backbone == BACKBONE else [f"--backbone {shlex.quote(backbone)}"]
    differing += [f"--seed {seed}"] if seed else []
    return " ".join(["workbench add", task, "--method", method, *differing]) + further


def predicting(adapter: str, pair: bool, further: str) -> str:
    """Return the command that asks an adapter."""
    second = ' --pair "another"' if pair else ""
    return f'workbench predict {adapter} "some text"{second}{further}'


def evaluating(adapter: str, file: Path, further: str) -> str:
    """Return the command that scores the answers on a labelled file."""
    return f"workbench evaluate {adapter} --file {shlex.quote(str(file))}{further}"


def predicting_file(
    adapter: str, pair: bool, further: str, among: str | None = None, backbone: str | None = None
) -> str:
    """Return the command that asks an adapter, or a router, about all rows of a file."""
    routed = named([("--among", among), ("--backbone", backbone)])
    second = " --pair COLUMN" if pair else ""
    return f"workbench predict {adapter} --file FILE --column COLUMN{second} --out answers.csv{routed}{further}"


def after_report(
    report: StudyReport, with_seeds: Callable[[int], str] | None, uses: Mapping[str, str] | None = None
) -> list[str]:
    """Return what follows from a report on a comparison, a command a line; nothing that its verdict speaks against.

    Args:
        report: on whatever study.
        with_seeds: returns the command with so many seeds; None where the comparison has no seeds of its own.
        uses: label → the command that uses this entry's result; the likeliest first.
    """
    from adapter_workbench.experiments.reporting.advice import Step, advised, seeds_that_decide

    standing, declared = report.standing, [*report.declared.values()]
    deciding = None
    main = [of for of in report.planned if any(of.difference is own for own in declared)]
    if with_seeds and (needed := seeds_that_decide(main, standing, len(report.seeds))):
        deciding = Step(with_seeds(needed[0]), "", needed[1])
    using = [Step(command, label) for label, command in (uses or {}).items() if not standing.is_beaten(label)]
    return [step.line for step in advised(standing, using[:1], deciding)]
