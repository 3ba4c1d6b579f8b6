"""``python -m sidecar`` is the program ``sidecar``."""

from sidecar.cli.main import main

if __name__ == "__main__":
    main()
