"""What aiortc's clients share: HTTP requests, and a network as bad as the test wants it."""

import asyncio
import random
import time
import urllib.error
import urllib.request

from aioice import ice


def worsen(loss: float, delay_s: float) -> None:
    """Loses and delays what goes over a socket of the client, the first second (its handshake) excepted."""
    dice = random.Random(5)
    began = time.monotonic()
    passed_in = ice.StunProtocol.datagram_received

    def lost() -> bool:
        return time.monotonic() - began > 1.0 and dice.random() < loss

    def received(self, data, addr):
        if not lost():
            asyncio.get_running_loop().call_later(delay_s, passed_in, self, data, addr)

    ice.StunProtocol.datagram_received = received

    made = ice.StunProtocol.connection_made

    def connection_made(self, transport):
        send = transport.sendto

        class Worse:
            def __getattr__(self, name):
                return getattr(transport, name)

            def sendto(self, data, addr=None):
                if not lost():
                    asyncio.get_running_loop().call_later(delay_s, send, data, addr)

        made(self, Worse())

    ice.StunProtocol.connection_made = connection_made


def ask(method: str, url: str, body: str = "", headers: dict[str, str] | None = None):
    request = urllib.request.Request(url, body.encode(), headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
