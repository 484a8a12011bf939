"""Processes on machines that do not see the workspace of a run.

Each of them works in a workspace of its own, on its machine's disk. What a piece reads is brought there from the
workspace of the run when it is asked for (:mod:`.courier`), since its keys are known only then: an evaluation's is a
digest of files that the piece has just read. What a piece has changed goes back before it counts as done
(:mod:`.changes`, :mod:`.arrival`), through one process on the machine of the run (:mod:`.desk`).
"""
