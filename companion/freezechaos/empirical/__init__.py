"""What finite networks do: their tangent kernel, their training, and averages with errors."""

from .kernel import ntk
from .linear import Linearized, largest_learning_rate, linearize, ntk_vector_product
from .sampling import Estimate, monte_carlo
from .training import Training, train

__all__ = [
    "Estimate",
    "Linearized",
    "Training",
    "largest_learning_rate",
    "linearize",
    "monte_carlo",
    "ntk",
    "ntk_vector_product",
    "train",
]
