"""`python -m probe` is `probe`."""

from probe.cli.main import main

if __name__ == "__main__":
    main()
