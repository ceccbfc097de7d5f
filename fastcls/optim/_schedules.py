"""Schedules: what the learning rate is multiplied by as training goes on."""

from __future__ import annotations

import math
from collections.abc import Callable

#: name -> factor(done, epochs): `done` is the part of the training that is over (0 to 1), `epochs` those that are over
SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": lambda done, epochs: 1.0,
    # Falls to 0 as a half cosine (Loshchilov and Hutter, 2017): the last steps average out the noise of the minibatches.
    "cosine": lambda done, epochs: 0.5 * (1.0 + math.cos(math.pi * done)),
    # A tenth after half of the training, a hundredth after three quarters.
    "step": lambda done, epochs: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
    # One over the root of the epochs: the rate at which the noise of a convex problem averages out (Robbins and Monro).
    "inverse_scaling": lambda done, epochs: 1.0 / math.sqrt(1.0 + epochs),
}
