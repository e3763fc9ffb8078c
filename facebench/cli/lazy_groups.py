"""Click groups that import a subcommand only when it is asked for."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from facebench.plugins import registry


class LazyGroup(click.Group):
    """A group whose subcommands are named as ``module:attribute``."""

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names in the order they were given, which is that of a user's work."""
        return list(self._commands_at)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one subcommand."""
        if name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class PluginGroup(click.Group):
    """A group whose subcommands are the installed plug-ins of one kind."""

    def __init__(self, *args: Any, kind: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._kind = kind

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the installed plug-ins' names."""
        return registry.names(self._kind)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load one plug-in."""
        if name not in registry.names(self._kind):
            return None
        command: click.Command = registry.find(self._kind, name)
        return command
