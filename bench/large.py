"""A language model of 1.07 billion parameters: five LoRAs one after another here, and with plain Trainer and peft.

    python -m bench.large compare --out docs/results/large.json

The model is made from its config, with random weights in bfloat16 (22 layers × 2,048, the tokenizer of SmolLM2), so
that nothing has to be fetched for it. The peer loads it once, in bfloat16, trains with ``Trainer(bf16=True)``, answers
the same validation and test texts, and stores the adapters. Each side runs in a process of its own. Memory is the
high-water mark of that process (VmHWM); pages of files that it maps are part of it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.machine.memory import PeakMemory
from bench import program

TASKS = "20news-0,20news-1,20news-2,20news-3,20news-4"
SHAPE = (
    '{"hidden_size": 2048, "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4, '
    '"intermediate_size": 5632, "tie_word_embeddings": true}'
)
BUDGET = '{"train_examples": 64, "eval_examples": 8, "epochs": 1, "batch_size": 4, "max_length": 64}'
RATE = 1e-4
SIDES = ("workbench", "trainer and peft")
app = typer.Typer()

Shape = Annotated[str, typer.Option(help="Sizes of the LLaMA, as JSON.")]
Tasks = Annotated[str, typer.Option(help="Classification tasks, with commas.")]
Budget = Annotated[str, typer.Option(help="Budget of every task, as JSON.")]
Checkpointing = Annotated[bool, typer.Option(help="Compute activations again.")]


@dataclass
class Heard:
    """What a side is heard to do.

    Attributes:
        losses: of each training step.
        training_seconds: from the beginning of each fit to the end of its last step.
        evaluating_seconds: on the validation and test splits.
        loads: how often a model was made from the files.
    """

    losses: list[float] = field(default_factory=list)
    training_seconds: float = 0.0
    evaluating_seconds: float = 0.0
    loads: int = 0

    def say(self, message: str) -> None:
        """Ignore the line."""

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Time a fit: its steps, and after the last of them the validation."""
        times = [time.perf_counter()]

        def advance(step: int, epoch: float, loss: float) -> None:
            times.append(time.perf_counter())
            self.losses.append(round(loss, 4))

        yield advance
        self.training_seconds += times[-1] - times[0]
        self.evaluating_seconds += time.perf_counter() - times[-1]


@app.command()
def compare(
    context: typer.Context,
    out: program.KeptOut,
    tasks: Tasks = TASKS,
    shape: Shape = SHAPE,
    budget: Budget = BUDGET,
) -> None:
    """Run both sides with and without gradient checkpointing, and print the table as JSON."""
    results = program.known(out, "sides", empty={})
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        parameters = made(model, json.loads(shape))
        for again in (True, False):
            for side in SIDES:
                name = f"{side}{', checkpointing' if again else ''}"
                if name not in results:
                    options = [
                        "--tasks",
                        tasks,
                        "--budget",
                        budget,
                        "--checkpointing" if again else "--no-checkpointing",
                    ]
                    child = [*program.ITSELF, "bench.large", "run-side", side, str(model), *options]
                    output = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout
                    results[name] = json.loads(output.splitlines()[-1])
                program.write(context, out, parameters=parameters, sides=results)
    program.show(results)


@app.command()
def run_side(side: str, model: Path, tasks: Tasks, budget: Budget, checkpointing: Checkpointing) -> None:
    """Run one side, and print what was found."""
    work = _workbench if side == SIDES[0] else _peer
    heard, began = Heard(), time.perf_counter()
    with PeakMemory() as memory, _counted(heard), tempfile.TemporaryDirectory() as folder:
        work(model, tasks.split(","), {**json.loads(budget), "checkpointing": checkpointing}, Path(folder), heard)
    seconds = time.perf_counter() - began
    beside = seconds - heard.training_seconds - heard.evaluating_seconds
    measures = {"peak_mb": round(memory.peak_mb or 0), "seconds": seconds, "seconds_beside": beside, **asdict(heard)}
    rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in measures.items()}
    typer.echo(json.dumps(rounded))


def _workbench(model: Path, tasks: list[str], budget: dict[str, Any], folder: Path, heard: Heard) -> None:
    workbench = Workbench(folder, listener=heard)
    for task in tasks:
        lesson = workbench.lesson(task, "lora", str(model), learning_rate=RATE, budget={"precision": "bf16", **budget})
        heard.evaluating_seconds += workbench.train(lesson).test.seconds


def _peer(model: Path, tasks: list[str], budget: dict[str, Any], folder: Path, heard: Heard) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from adapter_workbench.workbench.methods.sampling import draw

    class Hears(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **others: Any) -> None:
            if "loss" in logs:
                advance(state.global_step, state.epoch, logs["loss"])

    workbench, tokenizer = Workbench(folder), AutoTokenizer.from_pretrained(model)
    body = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2, dtype=torch.bfloat16)
    body.config.pad_token_id = tokenizer.pad_token_id
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        num_train_epochs=budget["epochs"],
        per_device_train_batch_size=budget["batch_size"],
        per_device_eval_batch_size=budget["batch_size"],
        learning_rate=RATE,
        bf16=True,
        gradient_checkpointing=budget["checkpointing"],
        gradient_checkpointing_kwargs={"use_reentrant": False},
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    for name in tasks:
        lesson = workbench.lesson(name, "lora", str(model), budget=budget)
        splits = {
            split: [
                {**tokenizer(row["text"], truncation=True, max_length=budget["max_length"]), "labels": row["label"]}
                for row in rows
            ]
            for split, rows in draw(lesson.task, lesson.budget, 0).splits.items()
        }
        adapted = get_peft_model(body, LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16))
        trainer = Trainer(adapted, arguments, DataCollatorWithPadding(tokenizer), splits["train"])
        trainer.add_callback(Hears())
        with heard.fit(name, 0) as advance:
            trainer.train()
            for split in ("validation", "test"):
                trainer.predict(splits[split])
        adapted.save_pretrained(folder / name)
        body = adapted.unload()


@contextmanager
def _counted(heard: Heard) -> Iterator[None]:
    """Count how often transformers makes a model from weights while the block runs."""
    from transformers import PreTrainedModel

    made = PreTrainedModel.from_pretrained

    def counted(cls: Any, *given: Any, **named: Any) -> Any:
        heard.loads += 1
        return made.__func__(cls, *given, **named)

    PreTrainedModel.from_pretrained = classmethod(counted)
    try:
        yield
    finally:
        PreTrainedModel.from_pretrained = made


def made(folder: Path, shape: dict[str, Any]) -> int:
    """Write a LLaMA of random weights with SmolLM2's tokenizer, and return how many parameters it has."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from adapter_workbench.workbench.backbone.names import open_backbone

    tokenizer = open_backbone("smollm2").tokenizer
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(LlamaConfig(**shape, vocab_size=len(tokenizer)))
    torch.set_default_dtype(torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id  # given before, its embedding is 0, and gradients overflow
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    app()
