"""Statistics over scores: tables of scores, resampling, paired tests, flags. No models, no torch."""
