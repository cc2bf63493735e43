"""`python -m asyncsim.cli`: the command line without its entry point."""

from asyncsim.cli import main

main()
