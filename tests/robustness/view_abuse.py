"""Does the browser view live through a hundred sessions opened and dropped, and through messages that are none?

    python tests/robustness/view_abuse.py --sessions 100

Needs the extra `view` and no browser. A session fetches the page, opens the socket that the page would open, sends what
nobody should (bytes at random, broken frames, text that is no JSON, a frame of 64 MB announced, endless headers) and
drops the line. Afterwards the page must be served as before, and memory must not have grown with the sessions.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

GROWTH = 1.25
"""By how much the second half of the sessions may raise the memory that the first half took."""


def frame(opcode: int, payload: bytes, announced: int | None = None) -> bytes:
    """A masked WebSocket frame (RFC 6455); `announced` is another length than that of the payload."""
    size = len(payload) if announced is None else announced
    head = bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", size)
    return head + b"\0\0\0\0" + payload


def handshake(port: int, number: int) -> bytes:
    """What a page's socket says first."""
    path = f"/jupyter/api/kernels/abuse-{number}/channels?session_id=abuse-{number}"
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Origin: http://127.0.0.1:{port}", "Sec-WebSocket-Version: 13"]
    return "\r\n".join([*lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]).encode()


def abuse(chance: random.Random) -> bytes:
    """Bytes that no page would send."""
    return chance.choice(
        (
            chance.randbytes(2000),
            frame(1, b"this is no JSON"),
            frame(1, b'{"header": {"msg_type": "execute_request"}}'),
            frame(1, b"[" * 100_000),
            frame(1, b"\xff\xfe" * 50),
            frame(2, chance.randbytes(500)),
            frame(2, b"", announced=64 * 2**20),
            frame(1, b"a" * 2**21),
            frame(11, b""),
            frame(8, b"\0"),
            b"",
        )
    )


def ask(port: int, sent: bytes) -> bytes:
    """Send bytes, read the first answer, drop the line."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.settimeout(5)
        with contextlib.suppress(OSError):
            line.sendall(sent)
            return line.recv(200)
    return b""


def session(port: int, number: int, chance: random.Random) -> None:
    """One session: page, socket, nonsense, gone."""
    page = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: solara-session-id=abuse-{number}\r\n\r\n".encode()
    if b" 200 " not in ask(port, page).split(b"\r\n")[0]:
        raise SystemExit(f"session {number}: the page is not served")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.settimeout(5)
        with contextlib.suppress(OSError):
            line.sendall(handshake(port, number))
            line.recv(1000)
            line.sendall(abuse(chance))
            time.sleep(0.02)
    if number % 10 == 0:
        ask(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: " + b"y" * 2**20)
        ask(port, chance.randbytes(3000))


def memory(process: int) -> float:
    """Resident megabytes of a process."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def serve(port: int) -> subprocess.Popen[bytes]:
    """The view of a shipped scenario, ready."""
    asked = [sys.executable, "-m", "uptake", "view", "perm-krai", "--no-open", "--port", str(port)]
    running = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 180
    while time.monotonic() < end and running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return running
        time.sleep(0.2)
    raise SystemExit("the view did not start; is the extra `view` installed?")


def main() -> None:
    """Open and drop sessions; exit 1 when the page is gone or memory grows with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running, chance = serve(port), random.Random(asked.seed)
    try:
        found = [memory(running.pid)]
        for number in range(asked.sessions):
            session(port, number, chance)
            if running.poll() is not None:
                raise SystemExit(f"session {number}: the view ended with {running.returncode}")
            if 2 * (number + 1) in (asked.sessions, 2 * asked.sessions):
                found.append(memory(running.pid))
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            print("the view did not end within 30 seconds of Ctrl-C")
    told = ", ".join(f"{value:.0f}" for value in found)
    print(f"{asked.sessions} sessions dropped; the page is served; MB before, half-way, after: {told}")
    if found[2] > GROWTH * found[1]:
        raise SystemExit("memory grows with the sessions")


if __name__ == "__main__":
    main()
