"""Checked recipes from the plain fields of a suite, a scale and `--set`."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pydantic

from bench.errors import BadInput, unknown
from bench.spec.architectures import code_dim
from bench.spec.lambda_sets import lambda_set
from bench.spec.protocol_ledger import AUTHORS_BATCH_PGD_AT, PROTOCOLS, Protocol
from bench.spec.recipe import Recipe
from bench.spec.registry import Method, Norm, backbone_of, lookup
from bench.spec.strict_yaml import Document, explain, first_error, parse

SETS = {"lambdas", "widths"}  # fields of Recipe that hold several values
PLANNED = {"dataset", "data_hash", "train_images", "seed"}  # fields that the scale and the command line decide

Blame = Callable[[tuple, str], NoReturn]  # (location of a field, message) → raises BadInput at the field's origin


def check_fields(fields: dict, document: Document, at: tuple, extra: frozenset | set = frozenset()) -> None:
    """Raise BadInput for a field that is neither a field of Recipe that a file may set nor in `extra`."""
    allowed = [name for name in Recipe.model_fields if name not in PLANNED] + sorted(extra)
    for name in fields:
        if name not in allowed:
            document.fail((*at, name), unknown("field", name, allowed))


def field_values(fields: dict, blame: Blame) -> dict[str, list]:
    """The values of each field: one, or those of a list or of a λ set's name."""
    values = {}
    for name, value in fields.items():
        if name in ("lam", "lambdas") and isinstance(value, str):
            try:
                value = list(lambda_set(value))
            except ValueError as error:
                blame((name,), str(error))
        if value == [] and name not in SETS:
            blame((name,), f"{name}: at least one value is expected")
        values[name] = value if isinstance(value, list) and name not in SETS else [value]
    return values


def combinations(values: dict[str, list]) -> Iterator[dict]:
    """Yield a dict for each combination of the fields' values."""
    for choice in itertools.product(*values.values()):
        yield dict(zip(values, choice, strict=True))


def recipe_of(fields: dict, precision: Callable[[], str], fixed_batch: bool, blame: Blame) -> Recipe:
    """The recipe of plain fields: fractions parsed, `auto` and named protocols resolved, everything checked.

    `fixed_batch`: the suite or --set gives the batch size, so that ledger row 9 does not change it.
    """
    row_9 = fields.get("protocol") == "authors-code" and fields.get("method") == "pgd_at" and not fixed_batch
    fields = {name: fraction(value) for name, value in fields.items()}
    fields = {name: value for name, value in fields.items() if name in Recipe.model_fields} | {
        "protocol": protocol(fields, blame)
    }
    if fields["precision"] == "auto":
        fields["precision"] = precision()
    if row_9:
        fields["batch"] = AUTHORS_BATCH_PGD_AT
    try:
        recipe = Recipe.model_validate(fields)
    except pydantic.ValidationError as error:
        first = first_error(error)
        blame(first["loc"], explain(first, Recipe))
    error = unknown_name(recipe)
    if error:
        field, message = error
        blame((field,), message)
    return recipe.essential()


def unknown_name(recipe: Recipe) -> tuple[str, str] | None:
    """(field, message) for the first name in the recipe that is not registered, or None."""
    checks = {
        "method": lambda: lookup(Method, recipe.method),
        "norm": lambda: lookup(Norm, recipe.norm),
        "arch": lambda: backbone_of(recipe.arch),
        "encoding": lambda: recipe.method == "pgd_at" or code_dim(recipe.encoding, len(recipe.lambdas)),
    }
    for field, check_name in checks.items():
        try:
            check_name()
        except ValueError as error:
            return field, str(error)
    return None


def fraction(value: Any) -> Any:
    """The number that a text such as 8/255 stands for; any other value as it is."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+)\s*", value) if isinstance(value, str) else None
    return float(match[1]) / float(match[2]) if match and float(match[2]) else value


def protocol(fields: dict, blame: Blame) -> Protocol | dict:
    """The protocol of the fields: a named one or a mapping of rows, with rows that stand beside it applied."""
    base = fields.get("protocol", "paper")
    rows = {name: value for name, value in fields.items() if name in Protocol.model_fields}
    if isinstance(base, str):
        if base not in PROTOCOLS:
            blame(("protocol",), unknown("protocol", base, PROTOCOLS))
        base = PROTOCOLS[base].model_dump()
    if not isinstance(base, dict):
        blame(("protocol",), f"protocol: {' or '.join(PROTOCOLS)} or rows of the ledger, not {base!r}")
    merged = base | rows
    try:
        return Protocol.model_validate(merged)
    except pydantic.ValidationError:
        return merged  # so that the validation of Recipe names the row


def parse_settings(texts: tuple[str, ...]) -> dict[str, Any]:
    """Parse `--set field=value` texts. Values are YAML; rows of the protocol need no `protocol.` prefix."""
    settings = {}
    allowed = [f for f in Recipe.model_fields if f not in PLANNED] + list(Protocol.model_fields)
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.removeprefix("protocol.")
        if not equals:
            raise BadInput(f"--set {text}: field=value is expected, e.g. --set epochs=3")
        if name not in allowed:
            raise BadInput(f"--set {text}: {unknown('field', name, allowed)}")
        try:
            settings[name] = parse(value, Path("--set")).data
        except BadInput:
            raise BadInput(f"--set {text}: {value!r} cannot be read as a value") from None
    return settings
