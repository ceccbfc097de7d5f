"""Inline loops that the compiled modules are made of.

``panels.pxd`` (packed rows), ``narrow.pxd`` (few features), ``direct.pxd`` (one pair after another) and ``matrix.pxd`` (all
pairs) are the kernels of brute force; ``topk.pxd`` is the order of neighbours, ``votes.pxd`` counts votes, ``rounding.pxd``
rounds bounds up, ``shapes.pxd`` compares the shapes of arrays.
"""
