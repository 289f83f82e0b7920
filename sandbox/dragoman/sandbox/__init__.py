"""Where untrusted code runs: the room that will hold the sandbox contract and its implementations.

It is not a policy about who may run code: that is decided above, in `dragoman.auth` and `dragoman.agents`.
Above it stands `dragoman.engine`; below it is nothing of Dragoman's own.
"""
