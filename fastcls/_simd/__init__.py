"""Instruction sets: the compiled kernels in C, a folder a family, and the table of those in use.

``isas.pyx`` holds the table (``table.h``) and gives kernels to the other compiled modules. ``contract.h`` has what all
families share; ``threads.h`` tests how many threads can start. ``search/``: sums of pairs of rows and tiles of packed rows;
``filter/``: codes; ``linear/``: scores and gradients. README.md describes the kernels.
"""
