"""What a step of training takes where a LoRA is on the upper layers of a BERT alone, and where their input is known.

    python -m bench.upper_layers --out upper-layers-steps.json

A step is a forward and a backward pass of LoRA on query and value, with peft, over texts of random tokens. ``whole``
runs all layers, of which those below the LoRA need no backward pass; ``known`` begins at the states that the lower
layers would give, as if they had been computed once for all epochs. Seconds are those of the processor, the median of
some steps; the ways take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
import typer
from peft import LoraConfig, get_peft_model

from adapter_workbench.workbench.backbone.names import open_backbone
from bench import program

if TYPE_CHECKING:
    from adapter_workbench.workbench.backbone.pretrained import Backbone

RANK, ALPHA = 8, 16


def main(
    context: typer.Context,
    backbone: str = typer.Option("minilm", help="A BERT: its name or folder."),
    rows: int = typer.Option(16, min=1, help="Texts of a batch."),
    length: int = typer.Option(64, min=2, help="Tokens of each."),
    steps: int = typer.Option(15, min=1, help="Steps of each way, after one that does not count."),
    out: program.Out = Path("upper-layers-steps.json"),
) -> None:
    """Time the steps, and write seconds by way and number of layers with a LoRA."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    opened = open_backbone(backbone)
    layers: int = opened.config.num_hidden_layers
    tokens = torch.randint(opened.config.vocab_size, (rows, length))
    ways: dict[str, Callable[[], None]] = {f"{layers} layers": _whole(opened, tokens, layers)}
    for upper in sorted({layers // 2, layers // 3} - {0}, reverse=True):
        ways[f"{upper} layers, whole"] = _whole(opened, tokens, upper)
        ways[f"{upper} layers, known"] = _known(opened, tokens, upper)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(1 + steps):
        for way, step in ways.items():
            taken = _processor_seconds(step)
            if turn:
                seconds[way].append(taken)
    medians = {way: round(median(taken), 4) for way, taken in seconds.items()}
    most = max(medians.values())
    results = {way: {"seconds": taken, "times_as_fast": round(most / taken, 2)} for way, taken in medians.items()}
    program.write(context, out, {"processor": program.processor()}, steps=results)
    program.show(results)


def _whole(backbone: Backbone, tokens: torch.Tensor, upper: int) -> Callable[[], None]:
    model = _adapted(backbone, upper)
    return lambda: model(input_ids=tokens, attention_mask=torch.ones_like(tokens))[0].mean(1).sum().backward()


def _known(backbone: Backbone, tokens: torch.Tensor, upper: int) -> Callable[[], None]:
    body = _adapted(backbone, upper).base_model.model
    with torch.no_grad():
        given = body.embeddings(tokens)  # a state of the right shape; the numbers change no time

    def step() -> None:
        states = given
        for layer in body.encoder.layer[-upper:]:
            output = layer(states)
            states = output[0] if isinstance(output, tuple) else output
        states.mean(1).sum().backward()

    return step


def _adapted(backbone: Backbone, upper: int) -> Any:
    """Return a backbone with a LoRA on its upper layers, as it trains."""
    layers: int = backbone.config.num_hidden_layers
    adapted = [*range(layers - upper, layers)]
    chosen = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["query", "value"], layers_to_transform=adapted)
    body: Any = backbone.load()
    return get_peft_model(body, chosen).train()


def _processor_seconds(step: Callable[[], None]) -> float:
    before = time.process_time()
    step()
    return time.process_time() - before


if __name__ == "__main__":
    typer.run(main)
