"""`python -m freezechaos.gan`."""

from .commands import main
from .devices import keep_memory

if __name__ == "__main__":
    keep_memory()
    raise SystemExit(main())
