"""Hostile input of every kind, made from a number: what is wrong is said in one message, and nothing else happens.

A case is called ``kind:number`` and follows from its name alone. Each kind is a module here with

``case(site, random) -> bool``
    Make input from ``random``, give it to the program, and return whether it was taken (else it was refused).

A finding is an exception that is no message of ours, an exit code that is not documented, a message that does not say
where, that is long, or that shows a secret; more than ten seconds of processor time, a crash, a gigabyte of memory,
something changed or written outside or by a refused command, a connection to another machine, or foreign code that was
run. Of kills: something half-written or lost, drafts that stay, or another end than without a kill. CI tries a few
cases of each kind (``tests/test_fuzz.py``); by hand, as many as wanted::

    python -m tests.fuzzing --cases 20000 --out fuzz.json
    python -m tests.fuzzing --only templates:1234
"""
