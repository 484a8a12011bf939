"""Adapters in and out: folders for the hub, for transformers and for servers; LoRAs out of other methods; tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.answers.arriving import Wanted, arrived
from experiments.answers.converting import converted
from experiments.answers.exporting import exported
from experiments.answers.importing import imported
from experiments.answers.naming import adapter_id
from workbench.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.answers.adapter_test import TestedAdapter
    from experiments.answers.server_lora import ServerLora
    from experiments.workspace import Workspace
    from workbench.listener import Listener
    from workbench.stored_adapter import StoredAdapter


@dataclass(frozen=True)
class Exchange:
    """What :attr:`experiments.api.Workbench.exchange` offers. Adapters are named as for ``Workbench.chosen``."""

    workspace: Workspace
    task_folders: Sequence[Path]
    listener: Listener

    def export(
        self, adapter: str, folder: Path, merge: bool = False, backbone: str | None = None, form: str | None = None
    ) -> Path:
        """Write an adapter as a repository for the Hugging Face hub, with a model card; nothing is uploaded.

        Args:
            adapter: its id, or another name.
            folder: where to; new or empty.
            merge: write the whole model, the update in the backbone's weights, in place of the adapter alone.
            backbone: for ``merge``: where the adapter's backbone is, if not where it was.
            form: for ``merge``: ``sequence-classification``, ``token-classification`` or ``causal-lm``, a model of
                transformers' own that its ``pipeline`` answers with.

        Raises:
            UnknownNameError: no such adapter.
            InputError: something is in ``folder`` already, it is one of the workspace's own, the adapter cannot be
                merged, or its architecture has no such form that computes what it does.
        """
        return exported(self.workspace, self._id(adapter), folder, merge, backbone, form)

    def export_for_servers(self, adapter: str, folder: Path, backbone: str | None = None) -> ServerLora:
        """Write a causal language model's LoRA under the names and with the settings that vLLM and its like load.

        Args:
            adapter: its id, or another name.
            folder: where to; new or empty.
            backbone: where the adapter's backbone is, if not where it was.

        Raises:
            UnknownNameError: no such adapter.
            InputError: something is in ``folder`` already, it is one of the workspace's own, the task is none for a
                causal language model, or the adapter is no plain LoRA, or of another backbone.
        """
        from experiments.answers.server_lora import exported_for_servers

        return exported_for_servers(self.workspace, self._id(adapter), folder, backbone)

    def convert(self, adapter: str, rank: int = 8, backbone: str | None = None) -> StoredAdapter:
        """Store an adapter of another method of peft as a LoRA of the same task; it is scored on validation.

        Args:
            adapter: its id, or another name.
            rank: of the LoRA.
            backbone: where the adapter's backbone is, if not where it was.

        Raises:
            UnknownNameError: no such adapter.
            InputError: it is a LoRA already or cannot be one, the rank is too high, or its data are not to be had.
        """
        return converted(self.workspace, self._id(adapter), rank, backbone, self.task_folders)

    def import_adapter(
        self,
        folder: Path,
        backbone: str | None = None,
        *,
        task: str | None = None,
        name: str | None = None,
        labels: Sequence[str] = (),
        max_length: int | None = None,
    ) -> StoredAdapter:
        """Copy an adapter into the workspace: one that :meth:`export` wrote, or one that another program trained.

        The scores of the first are its sender's; the second has none. Neither counts before :meth:`test`, unless this
        workspace made it and has it.

        Args:
            folder: what :meth:`export`, peft, adapters or transformers wrote.
            backbone: the name, hub id or folder of its backbone here; needed where the workspace does not know it.
            task: the task here that it answers; of an exported one it is known. Where no head is stored, one is fitted
                on this task's training examples.
            name: the beginning of its id; of an exported one it stays.
            labels: in the order of its numbers, where the folder does not name them.
            max_length: tokens, longer texts are cut; as many as the model reads if None.

        Raises:
            InputError: no such folder, something has to be said, its backbone is not known here or is another one, or
                the answers of its own program cannot be repeated.
            IntegrityError: the files are not those of the manifest.
            UnsafeConfigError: a file would run code.
        """
        if (folder / MANIFEST).is_file():
            return imported(self.workspace.adapters, folder, backbone)
        wanted = Wanted(task, backbone, name, tuple(labels) or None, max_length)
        return arrived(self.workspace.adapters, folder, wanted, self.task_folders, self.listener)

    def test(self, adapter: str, task: str | None = None, backbone: str | None = None) -> TestedAdapter:
        """Let an adapter answer the validation and test examples of its task as they are here.

        One from elsewhere counts by that validation score from then on.

        Args:
            adapter: its id, or another name.
            task: another task with the same labels; scores on that are not kept.
            backbone: where the adapter's backbone is, if not where it was.

        Raises:
            UnknownNameError: no such adapter or task.
            InputError: the task's data are not to be had, or its labels are others than the adapter's.
        """
        from experiments.answers.adapter_test import tested_here

        return tested_here(self.workspace, self._id(adapter), task, backbone, self.task_folders)

    def _id(self, adapter: str) -> str:
        return adapter_id(self.workspace, adapter, self.listener, self.task_folders)
