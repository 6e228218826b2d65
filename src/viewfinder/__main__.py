"""`python -m viewfinder`: the same as `viewfinder`."""

from viewfinder.cli import main

if __name__ == "__main__":
    main()
