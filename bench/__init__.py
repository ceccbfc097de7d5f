"""Speed of fastcls beside its rivals, and beside what the machine can do: ``python -m bench.table brute`` or ``filter``."""
