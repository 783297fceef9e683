"""Shorter ways for libraries that tests use, by private names: with a library that has others, tests are slower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio._backends import _asyncio
from anyio.from_thread import BlockingPortal
from hypothesis.internal.conjecture import providers
from werkzeug.routing import Rule


def leave_constants_unread() -> None:
    """Leave the constants of 600 modules unread, some of which Hypothesis draws now and then."""
    constants = getattr(providers, "_local_constants", None)
    if constants is not None:
        providers._get_local_constants = lambda: constants


def build_routes_once() -> None:
    """Have the function that builds the addresses of a route compiled once: it is half of the making of an app."""
    compile_builder = getattr(Rule, "_compile_builder", None)
    if compile_builder is None:
        return
    compiled: dict[object, Callable[..., tuple[str, str]]] = {}

    def once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = rule.rule, rule.host, rule.subdomain, append_unknown, repr(rule.defaults)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = once


def make_parts_of_requests_here() -> None:
    """Have a test client make what a request needs where it is, for which it would wait for its event loop four times.

    All of it only holds values until it is used: by the event loop, as before.
    """
    event, scope = getattr(_asyncio, "Event", None), getattr(_asyncio, "CancelScope", None)
    if event is None or scope is None:
        return
    call = BlockingPortal.call
    made_here: dict[object, Callable[..., object]] = {anyio.Event: event, anyio.CancelScope: scope}

    def called(portal: BlockingPortal, function: Callable[..., Any], *arguments: Any) -> Any:
        if getattr(function, "__origin__", None) is anyio.create_memory_object_stream:
            return function(*arguments)
        here = made_here.get(function)
        return here() if here else call(portal, function, *arguments)

    BlockingPortal.call = called
