"""What an experiment will cost before it is run: tokens, FLOPs, memory, hours and disk of every missing stage."""
