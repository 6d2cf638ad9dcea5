"""HTTP: what is sent to a lake comes in, and who may see it looks at it.

A request goes through ``application`` (which asks an authority who calls, and whether that one may), to a route in
``ingest`` (rows come in), ``api`` (documents go out) or ``pages`` (a dashboard). Every route says what it needs with
:func:`~vedette.server.needs.needs`: an application with a route that says nothing is not built. To add a route, write it
into the router of its folder, with what it needs, and its row into the table of ``tests/test_server_matrix.py``.

Nothing in here is imported by another room. It needs the extra ``server``.
"""
