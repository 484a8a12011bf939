"""Adapters in and out: folders for the hub, for transformers and for servers; LoRAs out of other methods; tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from adapter_workbench.experiments.answers.converting import convert_to_lora
from adapter_workbench.experiments.answers.exporting import export_adapter
from adapter_workbench.experiments.answers.import_options import AUTO, Source, require_possible
from adapter_workbench.experiments.answers.importing import ImportResult, import_each, import_source
from adapter_workbench.experiments.answers.known_here import KnownHere
from adapter_workbench.experiments.answers.naming import adapter_id
from adapter_workbench.experiments.requests.export import ExportRequest
from adapter_workbench.experiments.requests.importing import ImportOptions
from adapter_workbench.experiments.requests.request import taking
from adapter_workbench.experiments.workspace.origins import IMPORT
from adapter_workbench.tasks.reading.text_files import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.answers.adapter_test import TestedAdapter
    from adapter_workbench.experiments.answers.server_lora import ServerLora
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener


@dataclass(frozen=True)
class Exchange:
    """What :attr:`Workbench.exchange` offers. Adapters are named as for ``Workbench.chosen``."""

    workspace: Workspace
    task_folders: Sequence[Path]
    listener: Listener

    @taking(ExportRequest)
    def export(self, request: ExportRequest) -> Path:
        """Write an adapter as a repository for the Hugging Face hub, with a model card; nothing is uploaded.

        An adapter of peft is written for the class of transformers that answers its task, such as
        ``AutoModelForCausalLM``, if that gives the same answers; the card begins with how it is opened.

        Args:
            request: its fields, by position or by name: ``export("tickets", "to-send", merge=True)``.

        Raises:
            UnknownNameError: no such adapter.
            InputError: something is in ``folder`` already, it is one of the workspace's own, the adapter cannot be
                merged, or its architecture has no such form that computes what it does, or it came in no other form.
        """
        return export_adapter(replace(request, adapter=self._id(request.adapter)), self.workspace, self.listener)

    def export_for_servers(self, adapter: str, folder: Path | str, backbone: str | None = None) -> ServerLora:
        """Write a causal language model's LoRA under the names and with the settings that vLLM and its like load.

        Args:
            adapter: its id, or another name.
            folder: where to; new or empty.
            backbone: where the adapter's backbone is, if not where it was.

        Raises:
            UnknownNameError: no such adapter.
            InputError: something is in ``folder`` already, it is one of the workspace's own, the task is none for a
                causal language model, or the adapter is not a plain LoRA, or of another backbone.
        """
        from adapter_workbench.experiments.answers.server_lora import export_lora_for_servers

        return export_lora_for_servers(self.workspace, self._id(adapter), path_of(folder), backbone)

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
        workspace = self.workspace.making_for("convert")
        converted = convert_to_lora(workspace, self._id(adapter), rank, backbone, self.task_folders)
        workspace.origins.ask(converted.id, "convert")
        return converted

    def import_adapter(
        self,
        folder: Path | str,
        backbone: str | None = None,
        *,
        task: str | None = None,
        name: str | None = None,
        labels: Sequence[str] | Literal["auto"] = (),
        max_length: int | None = None,
        link: bool = False,
        backbone_to: Path | str | None = None,
    ) -> StoredAdapter:
        """Copy an adapter into the workspace: one that :meth:`export` wrote, or one that another program trained.

        The scores of the first are its sender's; the second has none. Neither counts before :meth:`test`, unless this
        workspace made it and has it.

        Args:
            folder: what :meth:`export`, peft, adapters or transformers wrote; or ``owner/name[@revision]`` on the hub.
            backbone: the name, hub id or folder of its backbone here; needed where the workspace does not know it.
            task: the task here that it answers; of an exported one it is known. Where no head is stored, one is fitted
                on this task's training examples.
            name: the beginning of its id, and without ``task`` the name of its task; an exported one keeps its own.
            labels: in the order of its numbers, where the folder does not name them; ``auto``: the order that scores
                highest on validation rows of ``task``, if it is decided.
            max_length: tokens, longer texts are cut; as many as the model reads if None.
            link: refer to the files of a whole model where they are, instead of copying them.
            backbone_to: the folder that the base model is written to with the tokens that an adapter of peft brings, or
                with an output layer that it trained; the adapter belongs to that one then.

        Raises:
            InputError: no such folder, something has to be said, its backbone is not known here or is another one, the
                answers of its own program cannot be repeated, or the files are not those of the manifest.
            UnsafeConfigError: a file would run code.
        """
        order = AUTO if labels == AUTO[0] else tuple(labels) or None
        target = None if backbone_to is None else str(backbone_to)
        source = Source(str(folder), ImportOptions(task, backbone, name, order, max_length, link, target))
        here = self._known_here()
        require_possible([source], here.find)
        stored = self._asked_for(import_source(here, source)).stored
        assert stored is not None
        return stored

    def import_adapters(self, sources: Sequence[Source]) -> Iterator[ImportResult]:
        """Take in one adapter after another as :meth:`import_adapter` does, and yield what became of each.

        What is refused keeps nothing else from coming in, and what came in before is not stored again.

        Args:
            sources: folders and hub ids, with what is said of each.

        Raises:
            SettingsError: something is said that cannot be meant of any folder; nothing came in.
        """
        here = self._known_here()
        require_possible(sources, here.find)
        return map(self._asked_for, import_each(here, sources))

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
        from adapter_workbench.experiments.answers.adapter_test import tested_here

        return tested_here(self.workspace, self._id(adapter), task, backbone, self.task_folders)

    def _known_here(self) -> KnownHere:
        return KnownHere(self.workspace.making_for(IMPORT).adapters, self.task_folders, self.listener)

    def _asked_for(self, result: ImportResult) -> ImportResult:
        """Write that a person asked for what came in, which may be what an experiment left here before."""
        if result.stored is not None:
            self.workspace.origins.ask(result.stored.id, IMPORT)
        return result

    def _id(self, adapter: str) -> str:
        return adapter_id(self.workspace, adapter, self.listener, self.task_folders)
