"""Capture: what the model's process does, put into a journal on its own disk.

In come rows: :class:`Recorder` takes a prediction or a label with each call and puts it, before the call returns,
into a memory-mapped file that outlives the process. Out go chunks of rows: :func:`producers` finds the folders that
processes have written, and :meth:`ProducerFolder.read` gives their rows as arrays, with a count of all that is not
among them. ``docs/journal.md`` describes the files byte by byte.

To keep a further type of value, give it a line in ``values.py`` and a ``Physical``; a further source of rows (a
framework, a server's request) calls ``Recorder.log`` and needs nothing here. The writer is the standard library
alone; numpy is loaded when a journal is read.
"""

from vedette.capture.journal import Batch, Chunk, ProducerFolder, models, producers, sync
from vedette.capture.recorder import Recorder

__all__ = ["Batch", "Chunk", "ProducerFolder", "Recorder", "models", "producers", "sync"]
