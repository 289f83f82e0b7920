"""The thread streaming protocol: a thread's events on channels, and commands to it, over SSE, HTTP and WebSocket.

The CDDL that Agent Protocol 0.1.6 names (version 0.0.13): ``told.py`` makes events of a run's log, ``source.py``
numbers them for a whole thread, ``filters.py`` says who hears which, ``commands.py`` does what clients ask for;
``posted.py`` and ``socket.py`` are the transports. Names are taken in camelCase and snake_case, and given in
snake_case, as every generated binding has them.
"""
