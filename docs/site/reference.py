"""Tables of docs/reference/, generated from the command line, the schemas and the registry when the site is built."""

import json
import re
from collections.abc import Iterable

import typer

from bench.cli import PANELS, app
from bench.run.list_command import experiment_lines, scale_lines
from bench.spec.lambda_sets import LAMBDA_SETS
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import Protocol
from bench.spec.recipe import Recipe
from bench.spec.registry import ATTACKS, BLENDS, METHODS
from bench.spec.scale import Scale
from bench.spec.suite import Experiment, Measure, Suite


def commands() -> str:
    """Every command with its arguments and options, as in `--help`."""
    verbs = typer.main.get_command(app).commands
    parts = []
    for panel, names in PANELS.items():
        parts.append(f"## {panel}")
        for name in names:
            group = getattr(verbs[name], "commands", None)
            parts += [command_text(f"{name} {sub}", each) for sub, each in group.items()] if group else []
            parts += [] if group else [command_text(name, verbs[name])]
    return "\n\n".join(parts)


def command_text(name: str, command) -> str:
    context = command.make_context(f"python -m bench {name}", [], resilient_parsing=True)
    usage = context.get_usage().removeprefix("Usage: ").replace("{", "").replace("}", "")
    example = (command.epilog or "").removeprefix("Example: ")
    rows = [parameter_row(parameter, context) for parameter in command.params]
    options = table(("argument or option", "value", "meaning"), rows)
    return f"### {name}\n{command.help}\n\n```\n{usage}\n```\n\n{options}\n\nExample:\n\n```\n{example}\n```"


def parameter_row(parameter, context) -> tuple[str, str, str]:
    """The names, the kind of value, and the help of an argument or option, with its default, as `--help` has them."""
    signature, text = parameter.get_help_record(context)
    names = [*parameter.opts, *parameter.secondary_opts]
    value = signature.rpartition(names[-1])[2].strip(". <>").removesuffix(" range")
    value = re.sub(r"list\[(\w+)\]", r"\1 …", value).replace("str", "text").replace("Path", "path")
    return ", ".join(f"`{name}`" for name in names), value, text


def suite_fields() -> str:
    return "\n\n".join(
        f"## {heading}\n\n{fields(model)}"
        for heading, model in (("A suite", Suite), ("An experiment", Experiment), ("A measurement", Measure))
    )


def scale_fields() -> str:
    return fields(Scale)


def recipe_fields() -> str:
    return fields(Recipe)


def protocol_rows() -> str:
    return fields(Protocol)


def measurement_fields() -> str:
    return fields(Measurement)


def fields(model) -> str:
    """A row for each field of a pydantic model."""
    schema = model.model_json_schema()
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in schema.get("required", ()) else default_text(field["default"])
        rows.append((f"`{name}`", type_text(field), default, field["description"]))
    return table(("field", "value", "default", "meaning"), rows)


def default_text(default) -> str:
    """The default as YAML spells it; a nested model has a table of its own."""
    return "see below" if isinstance(default, dict) and default else f"`{json.dumps(default)}`"


def type_text(field: dict) -> str:
    """The values that a property of a JSON schema takes, in words."""
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        return " or ".join(type_text(choice) for choice in field["anyOf"])
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if field.get("type") == "array":
        return f"list of {type_text(field['items']).replace('number', 'numbers')}"
    if field.get("type") == "object":
        return "mapping"
    words = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "null"}
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[bound]:,}" for bound, sign in bounds.items() if bound in field]
    return " ".join([words.get(field.get("type"), field.get("type", "any value")), ", ".join(limits)]).strip()


def experiments() -> str:
    rows = [(f"`{name}`", *text.replace("; figures ", "; ").rsplit("; ", 2)) for name, text in experiment_lines()]
    return table(("run with", "experiment", "data set", "figures"), rows)


def scales() -> str:
    return table(("`--scale`", "networks, data and budget"), ((f"`{name}`", about) for name, about in scale_lines()))


def methods() -> str:
    return table(("method", "meaning"), ((f"`{method.name}`", method.about) for method in METHODS.values()))


def attacks() -> str:
    rows = ((f"`{attack.name}`", f"{attack.steps:,}", attack.start, attack.about) for attack in ATTACKS.values())
    return table(("attack", "steps", "start", "meaning"), rows)


def blends() -> str:
    return table(("blend", "model between the ends"), ((f"`{blend.name}`", blend.about) for blend in BLENDS.values()))


def lambda_sets() -> str:
    rows = ((name, ", ".join(f"{lam:g}" for lam in lambdas)) for name, lambdas in LAMBDA_SETS.items())
    return table(("name", "λ"), rows)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table. Line breaks, `|` and `<` in cells stay text."""
    lines = [list(head), ["---"] * len(list(head)), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cell_text(cell) for cell in line)} |" for line in lines)


def cell_text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
