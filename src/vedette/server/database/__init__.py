"""The server's one database: who may do what, sessions and keys, the audit log.

SQLite at ``<lake>/.server/vedette.db`` by default, PostgreSQL by URL. :class:`~vedette.server.database.connection.Database`
opens it, brought to the newest revision; ``tables`` says what is in it. To add a table, write it into ``tables.py`` and a
revision after the newest into ``versions/`` (``down_revision`` names the one before); ``tests/test_server_database.py``
holds the two against each other. A revision that was released is never changed.
"""
