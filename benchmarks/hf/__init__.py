"""Fine-tuning and prediction with transformers alone, one task type a script, in the manner of its example scripts.

Written for this comparison. Each call trains on `--train_file` where one is given and saves the model, and predicts
`--test_file` where one is given: one language a call, as the examples are called. Everything else is an option of
`TrainingArguments`. Files are JSON lines, as `benchmarks.rows` writes them.
"""
