"""All attacks."""

from __future__ import annotations

import importlib
import pkgutil

from tests import attack
from tests.attack.base import Attack, Attacks


def all_attacks() -> list[Attack]:
    """Return the attacks of every module of this package, in the order of the modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(attack.__path__) if module.name.startswith("on_"))
    modules = [importlib.import_module(f"{attack.__name__}.{name}") for name in names]
    return [one for module in modules for group in vars(module).values() if isinstance(group, Attacks) for one in group]
