"""The verbs of a ledger, one text for SQLite and Postgres: plain functions of a transaction (``tx.py``) and arguments.

``sqlite/`` runs them on its writer's thread, ``postgres/`` on a greenlet that hands their statements to the network.
The SQL they name lies in ``queries/``; what differs on Postgres is translated there. Above: the two ledgers.
"""
