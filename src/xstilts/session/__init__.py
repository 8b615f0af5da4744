"""Experiments from Python: load, check, run, and read the results. Prints nothing and knows no command line.

The command line, notebooks, `choose`, studies and tests all stand on this layer. Here the two wings meet: what was run,
and what its scores say.

`loading` reads files, and `overrides` replaces their values; `grid` expands an experiment and remembers it in the
store; `run` carries it out; `results` turns finished stages into tables and reports; `check` looks at files before
anything is trained, and `lengths` at how long that will be; `models` opens what was trained.
"""
