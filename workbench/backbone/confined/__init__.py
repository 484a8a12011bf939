"""Strangers' programs (chat templates, patterns, tokenizers), run in a process whose time and memory are bounded.

Such a program may be wrong, or made to run for ever, and neither Python's nor Rust's engines can be stopped from
within. So it runs in a child process: a plain Python with a few modules of this package, which the system ends after a
given time of the processor. The child is started when it is first needed, in about 0.05 seconds, and kept; a question
takes about 0.1 milliseconds. It imports nothing from the current folder.
"""

from adapter_workbench.workbench.backbone.confined.process import NoAnswerError, ask

__all__ = ["NoAnswerError", "ask"]
