"""Worker processes on machines that do not see the workspace of a run.

Each of them works in a workspace of its own, on its machine's disk. What a piece reads is copied there from the
workspace of the run at the moment when it is read (:class:`.remote_worker_actor.FileSync`): its keys are known only
then, an evaluation's key is a digest of files that the piece has just read. What a piece has changed is sent back
before it counts as done (:mod:`.workspace_changes`, :mod:`.incoming_files`). One process on the machine of the run
answers for its workspace (:class:`.remote_workers.WorkspaceServer`, called through :mod:`.workspace_client`).
"""
