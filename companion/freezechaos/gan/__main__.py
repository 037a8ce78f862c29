"""`python -m freezechaos.gan train|sample|report`."""

from .commands import main

if __name__ == "__main__":
    raise SystemExit(main())
