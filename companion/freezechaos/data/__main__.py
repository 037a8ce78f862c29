"""Fetch the images of the book, once: `python -m freezechaos.data`. Without a network, say so."""

from . import archives
from .sets import of_the_book

PATIENCE = 5.0  # seconds until an address has to answer


def main() -> None:
    """Fetch Fashion-MNIST where it is not on this machine; where it cannot, letters will do."""
    try:
        for archive in archives.ARCHIVES["fashion_mnist"]:
            archives.fetch(archive, PATIENCE)
    except (OSError, ValueError) as error:
        reason = type(error.__cause__).__name__ if error.__cause__ else error
        print(f"book: could not fetch Fashion-MNIST ({reason})")
    print(f"book: its images are {of_the_book()}")


if __name__ == "__main__":
    main()
