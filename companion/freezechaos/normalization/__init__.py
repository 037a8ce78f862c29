"""Batch normalization taken apart [NBGK]: what each part does to a batch, layer after layer.

A layer is X <- NL(RS(RC(X W / sqrt(d)))) on a batch of N points, with Gaussian weights W:

- `layers` propagates a batch through layers of finite width,
- `grams` does the same at infinite width, where only the N x N Gram matrix matters,
- `geometry` says what a batch looks like: one direction, a simplex, a cluster and an odd point,
- `stability` finds the states in which depth leaves a batch, and whether they last,
- `distances` has recentring as a choice of the origin: a map of the distances between points,
- `splits` has batches in two groups, k points against all others,
- `large_batches` has what a few long points do among very many,
- `switched` has a layer whose parts are on or off, decided as it runs.

Everywhere the batch is scaled as a whole, after every layer, to a mean squared length of 1 a
neuron: trace N of its Gram matrix. Where the nonlinearity is positively homogeneous, as ReLU is,
that changes nothing but the range of the numbers.
"""

from .distances import distance_step, squares_from_centre
from .geometry import (
    OddPoint,
    contrast,
    cosines,
    mean_cosine,
    odd_gram,
    odd_point,
    orthogonality_gap,
)
from .grams import gram_step, iterate
from .large_batches import race_map, sharing_map
from .layers import propagate
from .parts import PARTS
from .splits import (
    SplitMultipliers,
    SplitState,
    collapse_multipliers,
    split_multipliers,
    split_state,
    two_value_lengths,
    two_values,
)
from .stability import (
    OddStates,
    fixed_point,
    leading_multiplier,
    odd_map,
    odd_states,
    symmetric_cosine,
    symmetric_multipliers,
)
from .switched import switched_step

__all__ = [
    "PARTS",
    "OddPoint",
    "OddStates",
    "SplitMultipliers",
    "SplitState",
    "collapse_multipliers",
    "contrast",
    "cosines",
    "distance_step",
    "fixed_point",
    "gram_step",
    "iterate",
    "leading_multiplier",
    "mean_cosine",
    "odd_gram",
    "odd_map",
    "odd_point",
    "odd_states",
    "orthogonality_gap",
    "propagate",
    "race_map",
    "sharing_map",
    "split_multipliers",
    "split_state",
    "squares_from_centre",
    "switched_step",
    "symmetric_cosine",
    "symmetric_multipliers",
    "two_value_lengths",
    "two_values",
]
