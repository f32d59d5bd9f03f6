"""How fast the suite is: `python -m bench.speed` times its steps against the authors' code, `… suite` its own costs."""
