"""Speed of fastcls compared with its rivals and with the machine's limits: ``python -m bench.table brute`` or ``filter``."""
