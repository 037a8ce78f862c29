"""What finite networks do: their tangent kernel, their training, and averages with errors."""

from .kernel import ntk
from .sampling import Estimate, monte_carlo
from .training import Training, train

__all__ = ["Estimate", "Training", "monte_carlo", "ntk", "train"]
