"""`python -m xstilts`: the command line."""

from xstilts.cli import main

main()
