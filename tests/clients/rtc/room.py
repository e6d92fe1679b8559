"""Three people meet in a room with aiortc, each with a colour and a tone; prints one line of JSON about it.

usage: room.py ORIGIN ROOM

They speak the protocol of src/meet/PROTOCOL.md by a WebSocket of their own making (RFC 6455, only what it takes).
"""

import array
import asyncio
import base64
import fractions
import json
import math
import os
import statistics
import sys
import time
import urllib.parse

from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

SIZE = (320, 180)
PATIENCE_S = 40.0
"""Luma of each one's picture."""
SHADES = {"Ada": 60, "Bo": 120, "Cem": 180}


class WebSocket:
    @classmethod
    async def open(cls, origin: str, path: str) -> "WebSocket":
        self = cls()
        address = urllib.parse.urlsplit(origin)
        self.reader, self.writer = await asyncio.open_connection(address.hostname, address.port)
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\norigin: {origin}\r\nconnection: Upgrade\r\n"
            f"upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n"
            "sec-websocket-protocol: capturebox.room.v1\r\n\r\n".encode()
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 101 "), head
        return self

    def send(self, text: bytes, opcode: int = 1) -> None:
        length = len(text)
        size = bytes([0x80 | length]) if length < 126 else bytes([0xFE]) + length.to_bytes(2, "big")
        # A mask of zeros is one, too.
        self.writer.write(bytes([0x80 | opcode]) + size + bytes(4) + text)

    async def receive(self) -> dict | int:
        """The next message; or how the box closes."""
        while True:
            opcode, length = await self.reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2), "big")
            elif length == 127:
                length = int.from_bytes(await self.reader.readexactly(8), "big")
            payload = await self.reader.readexactly(length)
            match opcode & 0x0F:
                case 1:
                    return json.loads(payload)
                case 8:
                    return int.from_bytes(payload[:2], "big")
                case 9:
                    self.send(payload, 10)


class Picture(VideoStreamTrack):
    def __init__(self, shade: int) -> None:
        super().__init__()
        self.shade = shade

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(*SIZE, "yuv420p")
        for plane, value in zip(frame.planes, (self.shade, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """440 Hz, in blocks of 20 ms."""

    at = 0
    began = 0.0

    async def recv(self) -> AudioFrame:
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0.0, self.began + self.at / 48_000 - time.monotonic()))
        wave = (int(8_000 * math.sin(2 * math.pi * 440 * n / 48_000)) for n in range(self.at, self.at + 960))
        frame = AudioFrame("s16", "mono", 960)
        frame.planes[0].update(array.array("h", wave).tobytes())
        frame.pts, frame.sample_rate, frame.time_base = self.at, 48_000, fractions.Fraction(1, 48_000)
        self.at += 960
        return frame


class Person:
    def __init__(self, origin: str, room: str, name: str) -> None:
        self.origin, self.path, self.name = origin, f"/rooms/{room}/ws", name
        self.connection_number = 0
        self.tasks: list[asyncio.Task] = []
        self.people: dict[str, str] = {}
        self.chats: list[str] = []
        self.closed: int | None = None
        self.resume = ""

    async def come_in(self) -> dict:
        self.socket = await WebSocket.open(self.origin, self.path)
        self.say(type="join", name=self.name, resume=self.resume)
        welcome = await self.socket.receive()
        assert isinstance(welcome, dict) and welcome["type"] == "welcome", welcome
        self.id, self.resume = welcome["id"], welcome["resume"]
        self.connection_number += 1
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.connection.createDataChannel("room")
        self.channel.on("message", lambda text: self.chats.append(json.loads(text)["text"]))
        self.connection.on("track", self.take)
        self.connection.on("connectionstatechange", self.offer)
        sends = {"microphone": Tone(), "camera": Picture(SHADES[self.name])}
        self.sends = {
            source: self.connection.addTransceiver(track, direction="sendonly") for source, track in sends.items()
        }
        self.receives = {"audio": 0, "video": 0}
        self.wanted = dict(self.receives)
        self.seen: dict[str, tuple[float, int]] = {}
        self.heard: dict[str, float] = {}
        self.mids: dict[str, dict] = {}
        self.offering, self.wants_offer = False, True
        self.say(type="media", audio=True, video=True, screen=False)
        self.tasks = [asyncio.create_task(self.listen())]
        return welcome

    def say(self, **message) -> None:
        self.socket.send(json.dumps(message).encode())

    async def offer(self) -> None:
        # What is added while its handshake is under way, aiortc doesn't bundle.
        connecting = self.connection.remoteDescription and self.connection.connectionState != "connected"
        if self.offering or not self.wants_offer or connecting:
            return
        self.offering, self.wants_offer = True, False
        for kind, wanted in self.wanted.items():
            for _ in range(self.receives[kind], wanted):
                self.connection.addTransceiver(kind, direction="recvonly")
            self.receives[kind] = max(self.receives[kind], wanted)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        tracks = {transceiver.mid: source for source, transceiver in self.sends.items()}
        sdp = self.connection.localDescription.sdp
        self.say(type="offer", connection=self.connection_number, sdp=sdp, tracks=tracks)

    async def listen(self) -> None:
        await self.offer()
        while True:
            told = await self.socket.receive()
            if isinstance(told, int):
                self.closed = told
                return
            match told["type"]:
                case "participants":
                    self.people = {one["id"]: one["name"] for one in told["participants"] if one["id"] != self.id}
                    show = [{"participant": one, "source": "camera", "height": 180} for one in self.people]
                    self.say(type="layout", show=show)
                case "receive":
                    self.wanted = {"audio": told["audio"], "video": told["video"]}
                    self.wants_offer = True
                    await self.offer()
                case "answer":
                    await self.connection.setRemoteDescription(RTCSessionDescription(told["sdp"], "answer"))
                    self.offering = False
                    await self.offer()
                case "assign":
                    self.mids = told["mids"]
                case "chat":
                    self.chats.append(told["text"])
                case "error":
                    raise AssertionError(told)

    def take(self, track) -> None:
        [transceiver] = [one for one in self.connection.getTransceivers() if one.receiver.track is track]

        async def take() -> None:
            while True:
                try:
                    frame = await track.recv()
                except MediaStreamError:
                    return
                who = self.people.get(self.mids.get(transceiver.mid, {}).get("participant", ""))
                if who is None:
                    continue
                if track.kind == "video":
                    middle = frame.height // 2 * frame.planes[0].line_size
                    row = bytes(frame.planes[0])[middle : middle + frame.width]
                    self.seen[who] = statistics.fmean(row), self.seen.get(who, (0, 0))[1] + 1
                else:
                    samples = array.array("h", bytes(frame.planes[0]))
                    self.heard[who] = statistics.fmean(one * one for one in samples) ** 0.5

        self.tasks.append(asyncio.create_task(take()))

    def meets(self, others: list[str]) -> bool:
        """Whether it sees each of them in their shade, moving, and hears them."""
        seen = all(abs(self.seen.get(one, (0, 0))[0] - SHADES[one]) < 12 and self.seen[one][1] > 15 for one in others)
        return seen and all(self.heard.get(one, 0) > 1_000 for one in others)

    async def vanish(self) -> None:
        """As if the network was gone."""
        for task in self.tasks:
            task.cancel()
        self.socket.writer.transport.abort()
        await self.connection.close()


async def until(what: str, look, people: list[Person]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not look():
        for task in (task for person in people for task in person.tasks if task.done() and not task.cancelled()):
            if task.exception():
                raise task.exception()
        if time.monotonic() > end:
            state = [(one.name, one.people, one.mids, one.seen, one.heard) for one in people]
            raise AssertionError(f"waited in vain for {what}: {state}")
        await asyncio.sleep(0.1)


async def meet(origin: str, room: str) -> dict:
    people = [Person(origin, room, name) for name in SHADES]
    ada, bo, cem = people
    welcomes = [await person.come_in() for person in people]
    others = {one.name: [name for name in SHADES if name != one.name] for one in people}
    await until("all to meet", lambda: all(one.meets(others[one.name]) for one in people), people)

    await until("the data channel", lambda: ada.channel.readyState == "open", people)
    ada.channel.send(json.dumps({"type": "chat", "text": "Good morning"}))
    await until("the chat", lambda: all(one.chats == ["Good morning"] for one in people), people)

    # Cem's network goes; he comes back to his place, and the others see him again.
    place = cem.id
    await cem.vanish()
    back = await cem.come_in()
    for one in (ada, bo):
        one.seen.pop("Cem", None)
        one.heard.pop("Cem", None)
    await until("Cem to be met again", lambda: all(one.meets(others[one.name]) for one in people), people)

    ada.say(type="remove", participant=bo.id)
    await until("Bo to be put out", lambda: bo.closed is not None, [ada, cem])
    await until("Bo to be gone", lambda: "Bo" not in ada.people.values(), [ada, cem])

    report = {
        "hosts": [one["host"] for one in welcomes],
        "resumed": back["resumed"] and back["id"] == place,
        "removed": bo.closed,
    }
    for person in people:
        person.say(type="leave")
        await person.vanish()
    return report


origin, room = sys.argv[1:]
print(json.dumps(asyncio.run(meet(origin, room))))
