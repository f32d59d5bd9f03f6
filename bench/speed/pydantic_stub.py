"""A stand-in for pydantic, so that steps can be timed on a node that has torch and numpy alone.

A recipe is then the class of bench.spec, fields and defaults included, without validation of its values, which the
recipes of `workloads` do not need. Where pydantic is installed, nothing is replaced.
"""

import inspect
import sys
from types import ModuleType

REQUIRED = object()


class Model:
    """The part of pydantic.BaseModel that builds, copies and compares a Recipe. Raises TypeError for an unknown or
    missing field."""

    def __init__(self, **values):
        fields = {name: default for cls in reversed(type(self).mro()) for name, default in declared_fields(cls).items()}
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


def declared_fields(cls: type) -> dict:
    """{name: default or REQUIRED} of the fields that the class itself declares, without its bases'."""
    return {name: vars(cls).get(name, REQUIRED) for name in inspect.get_annotations(cls)}


def field(default=REQUIRED, **_):
    return default


def unchanged(*_, **__):
    """In place of a validator: a decorator or annotation that checks nothing."""
    return lambda method: method


def install_if_missing() -> None:
    """Register the stand-in as `pydantic` if that is not installed. Call it before bench.spec is imported."""
    try:
        import pydantic  # noqa: F401
    except ModuleNotFoundError:
        module = ModuleType("pydantic")
        module.BaseModel, module.ConfigDict, module.Field = Model, dict, field
        module.model_validator = module.field_validator = module.AfterValidator = unchanged
        module.ValidationInfo = object
        sys.modules["pydantic"] = module
