"""``python -m fastcls`` is the ``fastcls`` command."""

from fastcls.cli import main

main()
