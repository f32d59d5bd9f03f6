"""From the plain fields of a suite, a scale and `--set` to checked recipes."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pydantic
import yaml

from bench.errors import BadInput, unknown
from bench.spec.architectures import code_dim
from bench.spec.lambda_sets import lambda_set
from bench.spec.recipe import AUTHORS_BATCH_PGD_AT, PROTOCOLS, Protocol, Recipe
from bench.spec.registry import Method, Norm, backbone_of, lookup
from bench.spec.strict_yaml import explain, first_error

MANY = {"lambdas", "widths"}  # the recipe's fields that are sets themselves
PLANNED = {"dataset", "data_hash", "train_images", "seed"}  # fields that the scale and the command line decide

Blame = Callable[[tuple, str], NoReturn]  # raises BadInput at the place that gave the field at a location


def combinations(fields: dict, blame: Blame) -> Iterator[dict]:
    """One dict for each combination of the fields that were given several values."""
    values = {}
    for name, value in fields.items():
        if name in ("lam", "lambdas") and isinstance(value, str):
            try:
                value = list(lambda_set(value))
            except ValueError as error:
                blame((name,), str(error))
        if value == [] and name not in MANY:
            blame((name,), f"{name}: at least one value is expected")
        values[name] = value if isinstance(value, list) and name not in MANY else [value]
    for choice in itertools.product(*values.values()):
        yield dict(zip(values, choice, strict=True))


def recipe_of(fields: dict, precision: Callable[[], str], fixed_batch: bool, blame: Blame) -> Recipe:
    """The recipe of plain fields: fractions read, `auto` and named protocols resolved, everything checked.

    `fixed_batch`: the batch was asked for, and not only the scale's; ledger row 9 then leaves it as it is.
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
    wrong = check(recipe)
    if wrong:
        blame((wrong[0],), wrong[1])
    return recipe.essential()


def check(recipe: Recipe) -> tuple[str, str] | None:
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
    """8/255 as the paper writes it."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+)\s*", value) if isinstance(value, str) else None
    return float(match[1]) / float(match[2]) if match and float(match[2]) else value


def protocol(fields: dict, blame: Blame) -> Protocol | dict:
    """A named protocol, a mapping of rows, or rows given on their own beside either."""
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
        return merged  # Recipe's validation names the row


def parse_settings(texts: tuple[str, ...]) -> dict[str, Any]:
    """`--set field=value` texts. A value is read as YAML reads it; protocol rows may be named bare."""
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
            settings[name] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, KeyError, AttributeError):  # ValueError: 2020-13-45 is no date
            raise BadInput(f"--set {text}: {value!r} cannot be read as a value") from None
    return settings
