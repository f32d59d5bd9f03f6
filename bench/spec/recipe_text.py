"""A recipe's fields as flat text, for MLflow's parameters and for telling curves apart."""

from bench.spec.recipe import Recipe


def flat_fields(recipe: Recipe) -> dict[str, str]:
    """{field: text}; a row of the protocol ledger is `protocol.<row>`, and None is "–"."""
    fields = recipe.model_dump(mode="json")
    protocol_rows = {f"protocol.{name}": value for name, value in fields.pop("protocol").items()}
    return {name: "–" if value is None else str(value) for name, value in (fields | protocol_rows).items()}
