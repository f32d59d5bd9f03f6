"""How often a module of this process was given a parameter, buffer or module. Where it was, what lists point to may no
longer be a network's."""

from torch.nn.modules import module

_count = 0


def count() -> int:
    return _count


def another(*_) -> None:
    global _count
    _count += 1


module.register_module_parameter_registration_hook(another)
module.register_module_buffer_registration_hook(another)
module.register_module_module_registration_hook(another)
