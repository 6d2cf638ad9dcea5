"""Who may do what: users and their roles, API keys, sessions, logins, and the log of all of it.

A request comes in at :class:`~vedette.server.access.authority.DatabaseAuthority`, which says who calls and whether that one
may; what people change goes through ``users``, ``keys``, ``sessions`` and ``identities``, each of which writes ``audit`` in
the same transaction. The routes are in ``login``, ``provider_login`` and ``routes``; ``provider`` speaks to an identity
provider. What a role or a scope allows is one table in ``rights``: to add one, write it there, and its row into
``tests/test_server_matrix.py``.
"""
