"""``python -m fastcls.cli`` is the ``fastcls`` command."""

from . import main

main()
