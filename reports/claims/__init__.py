"""Verdicts on the paper's claims: claims.yaml names predicates; a predicate turns a panel into conditions; they decide.

schema: the file. *_predicates: panel, arguments → conditions. verdict_rule: conditions → verdict. judge: writes both
files.
"""
