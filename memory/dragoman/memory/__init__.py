"""What is remembered: the model, the ledger's contract, and its implementations.

Imports nothing of Dragoman's other rooms. ``dragoman.memory.sqlite`` is the embedded ledger.
"""
