"""An exam bank: questions whose numbers come from a seed, and papers put together from them."""

from . import generators as generators
from . import networks as networks
from . import norms as norms
from .bank import BANK as BANK
from .bank import drawn as drawn
from .bank import drawn_bank as drawn_bank
from .question import Question as Question
from .question import Wrong as Wrong
