"""Adapters and models that other programs trained: from their folders to adapters of a store.

::

    folder → Form (which program wrote it?) → SentFolder (what its files say, read without a model)
           → Sender (the sender's own program, with the weights) → taken in, and compared with that program

What a folder does not say is asked (:class:`ImportDetails`) or derived from the sender's own program, never guessed.
"""
