"""Tasks of EleutherAI's harness: looked up by name or read from a file, loaded, and put to a language model.

The harness's own tasks are the package's code and run as such. What is fetched is data: no metric's program, no task
that runs what the model writes. Templates see the row and nothing of Python.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import evaluate as programs
import lm_eval.api.metrics  # noqa: F401  # fills the registry
from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from lm_eval import utils
from lm_eval.api import task as harness_task
from lm_eval.api.registry import metric_registry
from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager

from adapter_workbench.workbench.answering.harness.task_files import FROM_THE_HUB, OWN, own_task
from adapter_workbench.workbench.errors import InputError, UnknownNameError, opening
from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.machine.quiet import quiet

if TYPE_CHECKING:
    from lm_eval.api.model import LM

ELSEWHERE = ("dataset_kwargs", "metadata")  # of a config: they say where on this machine it lies
NEAR = 200  # names of the harness's thousands that are looked at for a hint


def load_tasks(names: Sequence[str], num_fewshot: int | None) -> dict[str, Any]:
    """Return the tasks that names (of tasks, groups, tags) and paths of task files stand for, as the harness does.

    Args:
        names: a path ends in .yaml or .yml.
        num_fewshot: solved examples before each question; None leaves each task its own number. As in the harness, a
            task that says 0 keeps it.

    Raises:
        InputError: there is no such task, its rows cannot be had, or it is one that is not put to a model here.
    """
    specs = [own_task(Path(name)) if name.endswith(OWN) else name for name in names]
    files = [file for spec in specs if isinstance(spec, dict) for file in _rows(spec).values()]
    return _load_tasks(json.dumps(specs), num_fewshot, tuple(digest(Path(file)) for file in files))


def identity(tasks: dict[str, Any], limit: int | None) -> list[str]:
    """Return for each loaded task a digest of what it asks: questions, solved examples, and version."""
    with _data_alone():
        return [_identity(name, task, limit) for name, task in sorted(tasks["tasks"].items())]


def scores(lm: LM, tasks: dict[str, Any], limit: int | None, seed: int) -> dict[str, dict[str, float]]:
    """Return task or group → metric → value; a metric of a filter's answers is called ``metric,filter``.

    Args:
        lm: answers.
        tasks: of :func:`load_tasks`.
        limit: only so many questions of each task, its first; None for all.
        seed: of the solved examples that are drawn.
    """
    with _data_alone():
        for task in tasks["tasks"].values():
            task.set_fewshot_seed(seed=seed)
        evaluation = evaluate(lm=lm, task_dict=tasks, limit=limit, bootstrap_iters=0, log_samples=False)
    return {name: dict(_numbers(values)) for name, values in evaluation["results"].items()}


def single_scores(
    lm: LM, tasks: dict[str, Any], name: str, documents: Sequence[int], seed: int
) -> list[dict[str, Any]]:
    """Return what the harness keeps of each question (answers, target, each metric), by the first of its filters.

    Args:
        lm: answers.
        tasks: of :func:`load_tasks`.
        name: of one of them.
        documents: numbers of its questions; the results are in their order.
        seed: of the solved examples that are drawn.
    """
    task = tasks["tasks"][name]
    with _data_alone():
        task.set_fewshot_seed(seed=seed)
        evaluation = evaluate(
            lm=lm, task_dict={"tasks": {name: task}}, samples={name: [*documents]}, bootstrap_iters=0, log_samples=True
        )
    samples: list[dict[str, Any]] = evaluation["samples"][name]
    of_first = [sample for sample in samples if sample["filter"] == samples[0]["filter"]]
    by_number = {sample["doc_id"]: sample for sample in of_first}
    return [by_number[number] for number in documents]


def questions_and_answers(task: Any) -> list[tuple[str, str]]:
    """Return each question with its right answer as people read them; the model may read more."""
    with _data_alone():
        return [_question_and_answer(task, document) for document in task.eval_docs]


def shown_examples(task: Any) -> int:
    """Return how many solved examples a task has to show."""
    with _data_alone():
        return len([*(task.fewshot_docs() or [])])


def _question_and_answer(task: Any, document: Any) -> tuple[str, str]:
    question, target = task.doc_to_text(document), task.doc_to_target(document)
    choices = task.doc_to_choice(document) if task.config.doc_to_choice is not None else []
    if choices and isinstance(question, int):  # the choices begin the text, and the target ends it
        return " / ".join(map(str, choices)), str(target)
    if choices and isinstance(target, int) and 0 <= target < len(choices):
        target = choices[target]
    return str(question), "; ".join(map(str, target)) if isinstance(target, list) else str(target)


def _numbers(values: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        metric, comma, chosen = name.partition(",")
        if comma and isinstance(value, Real) and not metric.endswith("_stderr"):
            yield metric if chosen == "none" else name, float(value)


@lru_cache(maxsize=4)
def _load_tasks(specs_json: str, num_fewshot: int | None, _: tuple[str, ...]) -> dict[str, Any]:
    """Load tasks once in a process, for as long as the rows of one's own files stay as they are."""
    specs: list[str | dict[str, Any]] = json.loads(specs_json)
    manager = _index() if any(isinstance(spec, str) for spec in specs) else TaskManager(include_defaults=False)
    for spec in specs:
        if isinstance(spec, str):
            _require_known(spec, manager.all_tasks)
        elif foreign := _foreign_metric(spec["metric_list"]):
            raise InputError(f"task {spec['task']}: lm-eval has no metric {foreign!r}")
    listed = ", ".join(spec if isinstance(spec, str) else str(spec["task"]) for spec in specs)
    with opening("the task of lm-eval", listed), _data_alone():
        tasks: dict[str, Any] = manager.load(specs)
    for name, task in tasks["tasks"].items():
        if objection := _objection(task):
            raise InputError(f"lm-eval's task {name} is not run here: {objection}")
        shots = task.get_config("num_fewshot")
        if shots is None or (shots and num_fewshot is not None):
            task.set_config(key="num_fewshot", value=num_fewshot or 0)
    return tasks


@cache
def _index() -> Any:
    """Return the harness's index of its own tasks; it reads thousands of files."""
    with quiet("lm_eval"):
        return TaskManager()


def _require_known(name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or [task for task in known if task[:3] == name[:3]][:NEAR]
        raise UnknownNameError("task of lm-eval", name, near, also="A path of a task file ends in .yaml.")


def _objection(task: Any) -> str | None:
    """Return why a task is not put to a model here, or None."""
    config = task.config
    if getattr(task, "UNSAFE_CODE", False):
        return "it would run programs that the model writes"
    if getattr(task, "MULTIMODAL", False):
        return "its questions are not text alone"
    options = config.generation_kwargs or {}
    if options.get("do_sample", bool(options.get("temperature"))):
        return "its answers are sampled; here a model gives its most likely answer"
    foreign = None if config.process_results else _foreign_metric(config.metric_list or [])
    return f"its metric {foreign!r} is a program from the network" if foreign else None


def _foreign_metric(metrics: Sequence[dict[str, Any]]) -> str | None:
    """Return the first metric that is not the harness's own, or None; functions are the task's."""
    named = (metric for metric in metrics if isinstance(metric["metric"], str))
    return next(
        (metric["metric"] for metric in named if metric.get(FROM_THE_HUB) or metric["metric"] not in metric_registry),
        None,
    )


def _identity(name: str, task: Any, limit: int | None) -> str:
    shown = [*(task.fewshot_docs() or [])] if task.get_config("num_fewshot") else []
    options = {option: value for option, value in task.dump_config().items() if option not in ELSEWHERE}
    config = json.dumps(
        options, sort_keys=True, default=lambda value: getattr(value, "__qualname__", type(value).__name__)
    )
    return key([name, str(task.VERSION), config, [*islice(task.eval_docs, limit)], shown])


def _rows(config: dict[str, Any]) -> dict[str, str]:
    files: dict[str, str] = config["dataset_kwargs"]["data_files"]
    return files


@contextmanager
def _data_alone() -> Iterator[None]:
    """Let templates reach nothing but their row, fetch no program, and show no bars while the block runs."""
    sandbox = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    sandbox.filters.update(utils.env.filters)
    inside: list[tuple[Any, str, Any]] = [
        (utils, "env", sandbox),
        (programs, "load", _refuse),
        (harness_task, "tqdm", lambda rows, **_: rows),
    ]
    originals = [getattr(module, name) for module, name, _ in inside]
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    for module, name, value in inside:
        setattr(module, name, value)
    try:
        with quiet("lm_eval", "datasets", "huggingface_hub", "evaluate"):
            yield
    finally:
        for (module, name, _), value in zip(inside, originals, strict=True):
            setattr(module, name, value)
        if shown:
            enable_progress_bars()


def _refuse(name: str, *_: Any, **__: Any) -> None:
    raise InputError(f"the metric {name!r} is a program from the network")
