"""MLflow, a view of the workspace: what its runs should hold, and the tracker that brings them there.

``tracker`` → ``runs`` → ``run_record`` → ``datasets``, ``models``; ``registration`` is the model registry,
``relocation`` finds what a moved database has elsewhere, ``bounded_client`` ends every call in time, ``logged_model``
makes a stored adapter one of MLflow's models. The library is imported when it is first
asked for something: that takes seconds.
"""
