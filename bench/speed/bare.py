"""bench.specs without pydantic, so that speed can be measured on a node that has torch and numpy alone.

A recipe here is the class of bench.specs itself, fields and defaults included; what falls away is that values are
checked, which the networks of bench/speed/cases.py do not need. Where pydantic is installed nothing is replaced.
"""

import inspect
import sys
from types import ModuleType

REQUIRED = object()


class Model:
    """As much of pydantic.BaseModel as a Recipe needs to be built, copied and compared. Raises TypeError where a field
    is unknown or missing."""

    def __init__(self, **values):
        fields = {name: field for cls in reversed(type(self).mro()) for name, field in own_fields(cls).items()}
        for name in values.keys() - fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {name!r}")
        for name, default in fields.items():
            value = values.get(name, default)
            if value is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs the field {name!r}")
            self.__dict__[name] = value

    def model_copy(self, update: dict):
        return type(self)(**(self.__dict__ | update))

    def __eq__(self, other) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.items()))


def own_fields(cls: type) -> dict:
    """{name: default or REQUIRED} of what a class itself declares."""
    return {name: vars(cls).get(name, REQUIRED) for name in inspect.get_annotations(cls)}


def field(default=REQUIRED, **_):
    return default


def validator(**_):
    return lambda method: method


def stand_in() -> None:
    """To be called before bench.specs is imported."""
    try:
        import pydantic  # noqa: F401
    except ModuleNotFoundError:
        module = ModuleType("pydantic")
        module.BaseModel, module.ConfigDict, module.Field, module.model_validator = Model, dict, field, validator
        sys.modules["pydantic"] = module
