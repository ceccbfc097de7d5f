"""Schedules: factors on the learning rate during training."""

from __future__ import annotations

import math
from collections.abc import Callable

#: schedules of the learning rate: name -> factor(done, epochs), with the fraction and the epochs of the training completed
SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": lambda done, epochs: 1.0,
    # Falls to 0 as a half cosine (Loshchilov and Hutter, 2017): the last steps average the noise of the minibatches out.
    "cosine": lambda done, epochs: 0.5 * (1.0 + math.cos(math.pi * done)),
    # 0.1 after half of the training, 0.01 after three quarters.
    "step": lambda done, epochs: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
    # Robbins and Monro: 1 / sqrt(epochs), the rate at which noise averages out on a convex problem.
    "inverse_scaling": lambda done, epochs: 1.0 / math.sqrt(1.0 + epochs),
}
