"""Base of `client.<product>`, whose kinds are imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncsim.context import ClientContext


class Namespace:
    """The kinds of one product, each an annotation: its attribute, module and class.

    Importing the kinds of all products takes 26 ms of CPU, as long as two dozen requests, and most
    programs use one kind.
    """

    def __init__(self, context: ClientContext) -> None:
        self._context = context

    if not TYPE_CHECKING:  # type checkers see only the annotations

        def __getattr__(self, name: str) -> Any:
            """Create the resource of an annotation on first use; afterwards it is an attribute."""
            namespace = type(self)
            class_name = namespace.__annotations__.get(name)
            if class_name is None:
                raise AttributeError(f"{namespace.__name__!r} has no resource {name!r}")
            module = import_module(f"{namespace.__module__}.{name}")
            resource = getattr(module, class_name)(self._context)
            setattr(self, name, resource)
            return resource

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *type(self).__annotations__]
