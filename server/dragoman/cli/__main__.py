"""``python -m dragoman.cli``."""

from dragoman.cli import main

if __name__ == "__main__":
    main()
