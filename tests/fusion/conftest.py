"""Three little LoRAs to compose, and a request for them, trained once for all files of tests."""

from __future__ import annotations

import pytest

from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from tests.fusion_sources import request_for, train_sources


@pytest.fixture(scope="session")
def sources(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredAdapter, ...]:
    """A LoRA of rank 4 on each of three tasks; nobody writes there."""
    return train_sources(backbone, tmp_path_factory.mktemp("sources"), "lora", rank=4)


@pytest.fixture(scope="session")
def request_(sources: tuple[StoredAdapter, ...], task: Task, backbone: Backbone) -> Request:
    """What a composition of them for the task ``animals`` is asked for."""
    return request_for(sources, task, backbone)
