"""Inline loops that the compiled modules are made of.

Brute force uses ``panels.pxd`` (packed rows), ``low_dimensional.pxd`` (few features), ``pairwise.pxd`` (one pair at a time)
and ``matrix.pxd`` (all distances). ``topk.pxd`` defines the order of neighbours, ``votes.pxd`` counts votes,
``rounding.pxd`` rounds bounds up, and ``shapes.pxd`` checks the shapes of arrays.
"""
