"""Task files for the harness are data: what the harness would run of them is refused, with or without the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter_workbench.workbench.answering.harness.task_files import own_task
from adapter_workbench.workbench.errors import InputError
from tests.harness_tasks import choices_config, write_choices


def _written(folder: Path, **changes: Any) -> Path:
    path = write_choices(folder)
    path.write_text(yaml.safe_dump({**choices_config(), **changes}), encoding="utf-8")
    return path


def test_a_file_is_the_harness_s_config_with_whole_paths(tmp_path: Path) -> None:
    config, expected = own_task(_written(tmp_path)), choices_config()
    files = expected["dataset_kwargs"]["data_files"]
    whole = {split: str((tmp_path / name).resolve()) for split, name in files.items()}
    assert config["dataset_kwargs"]["data_files"] == whole
    assert {**config, "dataset_kwargs": expected["dataset_kwargs"]}.items() >= expected.items()


@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_target", "process_docs"])
def test_a_function_is_refused_and_not_imported(key: str, tmp_path: Path) -> None:
    path = write_choices(tmp_path)
    (tmp_path / "code.py").write_text("raise RuntimeError('this was run')\n", encoding="utf-8")
    lines = [line for line in path.read_text().splitlines() if not line.startswith(key)]
    path.write_text("\n".join([*lines, f"{key}: !function code.anything"]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="the tag !function is not read here") as caught:
        own_task(path)
    assert f"which_animal.yaml, line {len(lines) + 1}" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"class": "os.system"}, "unknown key 'class'"),
        ({"include": "other.yaml"}, "unknown key 'include'"),
        ({"custom_dataset": "code.rows"}, "unknown key 'custom_dataset'"),
        ({"process_docs": "code.rows"}, "unknown key 'process_docs'"),
        ({"process_results": "code.score"}, "unknown key 'process_results'"),
        ({"use_prompt": "promptsource:*"}, "unknown key 'use_prompt'"),
        ({"unsafe_code": True}, "unknown key 'unsafe_code'"),
        ({"dataset_path": "pandas"}, "dataset_path"),
        ({"dataset_path": "someone/rows"}, "dataset_path"),
        ({"dataset_kwargs": {"data_files": {"test": "rows.jsonl"}, "trust_remote_code": True}}, "trust_remote_code"),
        ({"dataset_kwargs": {"data_files": {"test": "https://a.example/rows"}}}, "no file 'https:"),
        ({"dataset_kwargs": {"data_files": {"test": "nothing.jsonl"}}}, "there is no file 'nothing.jsonl'"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "hf_evaluate would fetch"),
        ({"metric_list": [{"metric": 5}]}, "the key 'metric'"),
    ],
)
def test_what_is_no_data_is_refused(changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        own_task(_written(tmp_path, **changes))
    assert complaint in str(caught.value)
    assert "which_animal.yaml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.yaml"):
        own_task(tmp_path / "nothing.yaml")
