"""The cost of an experiment before it runs: tokens, FLOPs, memory, hours and disk of every missing stage."""
