"""``python -m vedette`` is the command ``vedette``."""

from vedette.cli import main

main()
