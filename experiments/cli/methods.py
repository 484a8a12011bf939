"""List the fine-tuning methods."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command(
    "adapter_workbench.workbench.methods.methods",
    "METHODS",
    __doc__,
    "List the methods, one line each; join names with + to use several together (lora+bitfit).",
    footnote="a+b: two methods that can be used together, for example lora+pfeiffer",
)
