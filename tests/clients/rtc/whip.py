"""Publishes a picture that flashes and a tone that beeps at every second, by WHIP, for some seconds; prints a line of
JSON when it is connected, and another one at the end.

usage: whip.py URL SECONDS [--loss FRACTION --delay MS]

With --loss and --delay the client's own network is that bad, both ways, by a seed.
"""

import argparse
import array
import asyncio
import json
import math
import re

from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from av import AudioFrame, VideoFrame

from net import ask, worsen

WIDTH, HEIGHT = 320, 240
RATE = 48_000


class Flashes(VideoStreamTrack):
    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=WIDTH, height=HEIGHT, format="yuv420p")
        flashes = (pts * time_base) % 1 < 0.2
        number = int(pts * time_base * 30)
        luma = bytearray((235 if flashes else 40 for _ in range(WIDTH))) * HEIGHT
        # Something moves all the time.
        at = (HEIGHT - 8) * WIDTH + number * 3 % (WIDTH - 16)
        luma[at : at + 16] = bytes(16)
        frame.planes[0].update(bytes(luma))
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Beeps(AudioStreamTrack):
    async def recv(self):
        timed = await super().recv()
        seconds = timed.pts / timed.sample_rate
        samples = timed.samples
        loud = [
            int(9_000 * math.sin(math.tau * 1_000 * (seconds + n / timed.sample_rate)))
            if (seconds + n / timed.sample_rate) % 1 < 0.2
            else 0
            for n in range(samples)
        ]
        frame = AudioFrame(format="s16", layout="mono", samples=samples)
        frame.planes[0].update(array.array("h", loud).tobytes())
        frame.pts, frame.sample_rate, frame.time_base = timed.pts, timed.sample_rate, timed.time_base
        return frame


async def publish(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connected = asyncio.Event()

    @connection.on("connectionstatechange")
    def changed():
        if connection.connectionState == "connected":
            connected.set()

    connection.addTrack(Beeps())
    connection.addTrack(Flashes())
    for transceiver in connection.getTransceivers():
        transceiver.direction = "sendonly"
        if transceiver.kind == "video":
            codecs = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "video/H264"])
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    headers = {"content-type": "application/sdp"}
    status, told, answer = await loop.run_in_executor(None, ask, "POST", arguments.url, offer, headers)
    if status == 201:
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(connected.wait(), 20)
    print(json.dumps({"status": status, "said": answer if status != 201 else None}), flush=True)
    if status == 201:
        await asyncio.sleep(arguments.seconds)
        session = re.sub(r"^(https?://[^/]+).*$", r"\1", arguments.url) + told["location"]
        left = (await loop.run_in_executor(None, ask, "DELETE", session))[0]
        print(json.dumps({"left": left}), flush=True)
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.0, help="one way, ms")
    arguments = parser.parse_args()
    if arguments.loss or arguments.delay:
        worsen(arguments.loss, arguments.delay / 1e3)
    asyncio.run(publish(arguments))


main()
