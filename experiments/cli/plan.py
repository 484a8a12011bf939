"""Predict the memory that a method needs on a model, from the model's config alone."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from adapter_workbench.experiments.requests.fields import Method
from adapter_workbench.experiments.requests.request import meaning
from adapter_workbench.experiments.terminal.options import Assignments
from adapter_workbench.experiments.terminal.output import Json, emit, stdout, table

app = typer.Typer(add_completion=False)


@app.command()
def plan(
    model_config: Annotated[
        str, typer.Option(metavar="MODEL", help="config.json, folder, hub id, or registered name.")
    ],
    method: Annotated[str, typer.Option(help=meaning(Method))],
    quantization: Annotated[Literal["nf4", "int8"] | None, typer.Option(help="Bits of the backbone's weights.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts in one forward pass.")] = 16,
    max_length: Annotated[int, typer.Option(min=4, help="Tokens of each text.")] = 128,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], typer.Option(help="auto: the faster one on this machine.")
    ] = "auto",
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Compute activations again instead of keeping them.")
    ] = False,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Predict the memory of one training step, part by part; only the config is downloaded.

    Settings of the method are given by name: --set rank=16, --set optimizer=adamw-8bit.
    """
    from adapter_workbench.experiments.engine.forecast import workload
    from adapter_workbench.workbench.training.cost_model import LEFT_OVER

    budget = {
        "checkpointing": "on" if checkpointing else "off",
        "batch_size": batch_size,
        "max_length": max_length,
        "precision": precision,
    }
    settings = [f"budget.{name}={value}" for name, value in budget.items()]
    settings += [f"budget.quantization={quantization}"] if quantization else []
    work = workload(model_config, method, [*settings, *(assignments or [])])
    cost = work.predict().as_json()
    if as_json:
        shape = {"batch_size": work.batch_size, "max_length": work.length, "precision": work.precision}
        shape["checkpointing"] = work.checkpointing
        emit({"model": model_config, "method": method, "quantization": work.quantization, **shape, **cost})
        return
    parts = {name.removesuffix("_mb"): value for name, value in cost.items() if name.endswith("_mb")}
    table(["part", "MB"], [(name, f"{value:,.1f}".rjust(12)) for name, value in parts.items()])
    stdout.print(
        f"\n{cost['trainable_parameters']:,} of {cost['parameters']:,} parameters are trained, the head not counted."
    )
    stdout.print("Step: optimizer + recomputed + max(activations + casts + logits + working, gradients).")
    stdout.print("Peak: weights + step.")
    stdout.print(f"On a processor, freed blocks add about {LEFT_OVER:.0%} of the step.")
