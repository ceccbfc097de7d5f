"""Fewer cases than a full product, in which every two values still meet."""

import itertools


def pairwise(*lists):
    """Tuples of one value of each list: every pair of values of two lists is in some tuple.

    A fault that shows for a pair of parameters shows for one of these. Of three lists of 16, 5 and 3 values they are
    about 80 tuples in place of 240. Which ones depends on the lists' lengths only.
    """
    sizes = [range(len(values)) for values in lists]
    couples = list(itertools.combinations(range(len(lists)), 2))
    left = {(i, a, j, b) for i, j in couples for a in sizes[i] for b in sizes[j]}
    # in an order that rotates through the shorter lists, so that most tuples are new in all their pairs
    every = sorted(itertools.product(*sizes), key=lambda places: (sum(places) % max(map(len, lists)), places))
    chosen = []
    for wanted in range(len(couples), 0, -1):
        for places in every:
            new = {(i, places[i], j, places[j]) for i, j in couples} & left
            if len(new) >= wanted:
                left -= new
                chosen.append(places)
    return [tuple(values[place] for values, place in zip(lists, places, strict=True)) for places in sorted(chosen)]
