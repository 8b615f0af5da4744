"""What an experiment will cost before it is run: tokens, FLOPs, memory, hours and disk of every stage that is missing.

    devices        what a GPU has: memory and peak speed, from the vendors' data sheets
    counts         what a model is made of, counted without weights or a GPU
    formulas       arithmetic on those counts: FLOPs and bytes
    amounts        how much data a stage sees: counted where it is prepared, else from the official numbers of rows
    lookup         from a stage to the shape of its model
    empty_files    empty data files, so that an experiment can be planned before its data is fetched
    planner        stage by stage

`docs/planning.md` derives the formulae and says how far each was checked.
"""
