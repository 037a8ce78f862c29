"""Freeze & Chaos: what depth, normalization and up-sampling do to a neural network.

Modules are imported when they are first asked for: `import freezechaos; freezechaos.kernels.ntk`.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `__getattr__` gives, for mypy and editors
    from . import activations as activations
    from . import architectures as architectures
    from . import browser as browser
    from . import claims as claims
    from . import course as course
    from . import data as data
    from . import deconvolution as deconvolution
    from . import dynamics as dynamics
    from . import empirical as empirical
    from . import explorers as explorers
    from . import gan as gan
    from . import graphs as graphs
    from . import kernels as kernels
    from . import networks as networks
    from . import normalization as normalization
    from . import plotting as plotting
    from . import regimes as regimes
    from . import spectra as spectra

    __version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("freeze-and-chaos")
    if name not in __dir__():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    modules = [module.name for module in iter_modules(__path__) if module.name[0] != "_"]
    return sorted([*globals(), *modules, "__version__"])
