"""The parts of the platform, and the roles that a process may have."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module

from antiphon.app import parts as folder
from antiphon.app.part import Part
from antiphon.errors import InvalidRequest

GATEWAY = "gateway"
"""The role that serves clients; every other role is a kind of work."""

Roles = frozenset[str]


@cache
def all_parts() -> Mapping[str, Part]:
    """Return the part of each file in `antiphon.app.parts`, by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    return {name: import_module(f"{folder.__name__}.{name}").PART for name in names}


def all_roles() -> Roles:
    """Return the roles of all parts."""
    return frozenset(role for part in all_parts().values() for role in part.adds)


def parse_roles(names: Iterable[str]) -> Roles:
    """Return the named roles; ``all`` means every one. Raises `InvalidRequest`."""
    found: set[str] = set()
    known = all_roles()
    for name in names:
        if name in known:
            found.add(name)
        elif name == "all":
            found |= known
        else:
            there = ", ".join(sorted(known))
            raise InvalidRequest(f"Unknown role '{name}'; choose from all, {there}.", param="roles")
    if not found:
        raise InvalidRequest("Name at least one role.", param="roles")
    return frozenset(found)


def engine_kinds(roles: Roles) -> frozenset[str]:
    """Return the kinds of engines that these roles load."""
    return frozenset(kind for part in all_parts().values() for role, kind in part.engines.items() if role in roles)
