"""Shipping: what a journal holds is brought to a server, for a lake that is one.

In come the folders of producers; out go requests over HTTP, described in ``docs/protocol.md``, and freed journals. From the
inside out: ``parts.py`` and ``frames.py`` read whole slots and texts, ``columns.py`` makes Arrow columns of them, ``arrow.py``
and ``flatbuffer.py`` a stream; ``loads.py`` is what one request carries, ``transport.py`` sends it, ``answers.py`` says what an
answer means, and ``delivery.py`` does what follows from it. ``sender.py`` goes round all producers, ``follow.py`` does so for
as long as there is need. ``shipping.py`` is what a process that records has of all this, ``starter.py`` how it starts a
sender, ``desk.py`` what the two leave for each other, ``letters.py`` what the server refused.

It is the standard library alone. A further kind of request is a ``Load``; a further type of value is one line in
``columns.py``.
"""
