"""Adapters of peft as a person opens them: on the class of transformers that answers, in two lines of code.

::

    stored adapter → placed (its modules inside the class, and the head, if the class can compute it)
                   → exported folder: config, tensors and card for peft, and what it takes to come in again

What is stored stays in one form, for the bare transformer; only an exported folder has the other one.
"""
