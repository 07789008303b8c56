"""How does the view reach this machine's browser, and nobody else? A server that looks at Host and Origin."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import socket
import sys
import threading
import warnings
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import pairwise
from typing import Any

from sim.engine.compiling import is_cached
from sim.model import DiffusionModel
from sim.scenario.errors import refused
from sim.scenario.scenario import load

ADDRESS = "127.0.0.1"
SOURCE = "UPTAKE_VIEW"
"""Environment variable that tells the page which scenario and overrides to read, as JSON."""

LARGEST_MESSAGE = 2**22
"""Bytes that a page may send at once; it sends far less."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Doorkeeper:
    """An ASGI application that lets through only what this machine's own browser asks of this address.

    Without it any page on the web could open a WebSocket to the view, and any name that resolves to 127.0.0.1 read it.
    """

    def __init__(self, application: Callable[..., Awaitable[None]], port: int) -> None:
        self.application = application
        self.hosts = {f"{name}:{port}".encode() for name in (ADDRESS, "localhost")}
        self.origins = {b"http://" + host for host in self.hosts}

    def admits(self, scope: Scope) -> bool:
        """Whether the Host is ours, and the Origin too where one is named."""
        named = [(name.lower(), value) for name, value in scope["headers"]]
        hosts = [value for name, value in named if name == b"host"]
        origins = [value for name, value in named if name == b"origin"]
        return len(hosts) == 1 and hosts[0] in self.hosts and all(value in self.origins for value in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403; a WebSocket that is closed before it is accepted is a 403, too."""
        if scope["type"] not in ("http", "websocket") or self.admits(scope):
            await self.application(scope, _sound(receive), send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            text = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": text})
            await send({"type": "http.response.body", "body": b"Only for this address, from this machine.\n"})


def _sound(receive: Receive) -> Receive:
    """The same messages; a binary one whose parts do not add up ends the connection.

    Solara believes the number of parts that a message states, and a stated billion stops every page.
    """

    async def received() -> MutableMapping[str, Any]:
        message = await receive()
        if message["type"] == "websocket.receive" and message.get("bytes") and not _adds_up(message["bytes"]):
            return {"type": "websocket.disconnect", "code": 1007}
        return message

    return received


def _adds_up(data: bytes) -> bool:
    """Whether a binary message of the page's protocol has as many parts as it states, in order and inside it."""
    parts = int.from_bytes(data[:4], "big")
    if not 1 <= parts <= len(data) // 4 - 1:
        return False
    offsets = [int.from_bytes(data[at : at + 4], "big") for at in range(4, 4 * (parts + 1), 4)]
    return offsets[0] >= 4 * (parts + 1) and all(a <= b for a, b in pairwise([*offsets, len(data)]))


def run(scenario_source: str, overrides: dict[str, Any], port: int, open_browser: bool) -> None:
    """Serve the view on 127.0.0.1 until interrupted. Raises InputError."""
    scenario = load(scenario_source, overrides)
    with _socket(port) as listener:
        port = listener.getsockname()[1]
        _prepare(scenario_source, overrides)
        if not is_cached():  # nothing else would be seen to happen meanwhile
            print("compiling the engine, once: about half a minute", file=sys.stderr, flush=True)
        # the first step loads the compiled code: here, and not when the page waits for it
        DiffusionModel(scenario.override({"replicates": 1})).step()
        server = _server(port, lambda: _announce(f"http://{ADDRESS}:{port}/", open_browser))
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _socket(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name != "nt":  # on Windows this option would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        message = f"{port} cannot be used: {error.strerror or error}"
        raise refused("--port", message, "a free port, or 0 for any") from None
    return listener


def _prepare(scenario_source: str, overrides: dict[str, Any]) -> None:
    """Solara reads its settings from the environment when it is imported: no telemetry, no code watched, no network."""
    os.environ |= {
        SOURCE: json.dumps({"scenario": scenario_source, "overrides": overrides}, default=str),
        "SOLARA_APP": "sim.view.page",
        "SOLARA_MODE": "production",
        "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "false",
        "SOLARA_ASSETS_CDN": f"http://{ADDRESS}:9/",  # what the package of assets lacks is missing, not fetched
        "SOLARA_CHECK_HOOKS": "off",
        "SOLARA_THEME_SHOW_BANNER": "false",
    }


def _server(port: int, ready: Callable[[], None]) -> Any:
    """A uvicorn server of Solara behind the doorkeeper; `ready` is called when it listens."""
    warnings.filterwarnings("ignore", module="solara")  # about https and iframes
    import uvicorn
    from solara.server.starlette import app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            ready()

    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    guarded = Doorkeeper(app, port)
    return Server(uvicorn.Config(guarded, log_level="error", timeout_graceful_shutdown=1, ws_max_size=LARGEST_MESSAGE))


def _announce(address: str, open_browser: bool) -> None:
    gc.freeze()  # what was imported stays: the collector need not look at it again
    gc.enable()
    print(f"uptake view: {address}  (stop with Ctrl-C)", flush=True)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
