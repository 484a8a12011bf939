"""A task file of one's own for EleutherAI's harness: data alone.

The harness itself runs what such a file names: functions (``!function``), classes, metrics and loaders from the hub. A
file may come from anybody, so here it has the keys below and no tags, its rows lie in files beside it, and its metrics
are the harness's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import LONGEST_NAME
from adapter_workbench.workbench.settings.document import read

OWN = (".yaml", ".yml")  # how the name of a task file ends
LONGEST_PATH = 1000
FROM_THE_HUB = "hf_evaluate"  # of a metric: it is a program that is fetched

TaskName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=LONGEST_NAME)]
Entries = tuple[dict[str, Any], ...]


class DataFiles(Settings):
    """Split → the file of its rows, from the task file's folder."""

    data_files: dict[str, str] = Field(min_length=1, max_length=10)


class TaskFile(Settings):
    """The keys of the harness's task files that are read here; they mean what they mean there."""

    task: TaskName
    dataset_path: Literal["json", "csv", "parquet", "text"]
    dataset_kwargs: DataFiles
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    output_type: Literal["multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until"]
    description: str = ""
    doc_to_text: str
    doc_to_target: str | int
    doc_to_choice: str | tuple[str, ...] | None = None
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    gen_prefix: str | None = None
    num_fewshot: int | None = Field(None, ge=0, le=1000)
    metric_list: Entries = Field(min_length=1, max_length=20)
    generation_kwargs: dict[str, Any] | None = None
    filter_list: Entries | None = None
    metadata: dict[str, Any] | None = None

    @field_validator("metric_list")
    @classmethod
    def _of_the_harness(cls, metrics: Entries) -> Entries:
        for metric in metrics:
            if not isinstance(metric.get("metric"), str):
                raise ValueError("each metric has the key 'metric', with its name")
            if metric.get(FROM_THE_HUB):
                raise ValueError(f"{FROM_THE_HUB} would fetch and run a program, which is not allowed here")
        return metrics


def whole_path(name: str) -> str:
    """Return the name of a task, or the whole path of a task file: another process may run in another folder."""
    return str(Path(name).absolute()) if name.endswith(OWN) else name


def own_task(path: Path) -> dict[str, Any]:
    """Return the harness's config of a task file, in which the paths of rows are whole.

    Raises:
        InputError: the file is not there, is no YAML or has a tag in it, or a file of rows is not there.
        SettingsError: keys that are not read here, or values that do not fit.
    """
    document = read(path)
    config = document.parse(TaskFile).model_dump(mode="json", exclude_none=True)
    for split, name in config["dataset_kwargs"]["data_files"].items():
        where, file = document.where("dataset_kwargs", "data_files", split), path.parent / name
        with opening("the rows", where):
            if "://" in name or not file.is_file():
                hint = "Rows are read from files on this machine; a path starts at the folder of the task file."
                raise InputError(f"there is no file {name!r}", where=where, hint=hint)
            config["dataset_kwargs"]["data_files"][split] = str(file.resolve())
    return config
