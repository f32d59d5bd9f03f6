"""What decides a claim: pure functions from the tidy data of a panel to conditions, and from conditions to a verdict.

estimates: numbers with an interval at any confidence. contrasts: linear combinations of what networks were measured to
be. accuracy, frontier, probes: the predicates that claims.yaml names. decide: conditions → verdict. schema: the file.
"""
