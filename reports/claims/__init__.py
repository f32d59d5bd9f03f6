"""Verdicts on the claims of the paper: claims.yaml → predicates → conditions → verdicts."""
