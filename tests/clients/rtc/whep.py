"""Watches a stream by WHEP for some seconds, and prints one line of JSON about it.

usage: whep.py URL SECONDS [--loss FRACTION --delay MS] [--trickle]

With --loss and --delay the client's own network is that bad, both ways, by a seed. With --trickle its offer has no
candidates, and they follow by PATCH.
"""

import argparse
import array
import asyncio
import fractions
import json
import re
import statistics
import time

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from net import ask, worsen


async def watch(arguments: argparse.Namespace) -> dict:
    loop = asyncio.get_running_loop()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen: dict = {"pictures": [], "sound": [], "energy": 0.0, "stamps": 0, "states": []}
    began = time.monotonic()

    @connection.on("connectionstatechange")
    def changed():
        seen["states"].append(connection.connectionState)

    @connection.on("track")
    def on_track(track):
        async def take():
            while True:
                frame = await track.recv()
                at = time.monotonic() - began
                if track.kind == "video":
                    seen["pictures"].append((at, frame.pts, frame.width, frame.height))
                    seen["luma"] = statistics.pstdev(bytes(frame.planes[0])[::97])
                else:
                    seen["sound"].append((at, frame.pts, frame.samples))
                    samples = array.array("h", bytes(frame.planes[0]))
                    seen["energy"] = max(seen["energy"], statistics.fmean(one * one for one in samples) ** 0.5)

        tasks.append(loop.create_task(take()))

    tasks: list[asyncio.Task] = []
    for kind in ("video", "audio"):
        connection.addTransceiver(kind, direction="recvonly")
    channel = connection.createDataChannel("capture")

    @channel.on("message")
    def on_message(text):
        stamp = json.loads(text)
        assert set(stamp) == {"rtp", "media_us"}, stamp
        seen["stamps"] += 1

    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    candidates = re.findall(r"^a=(candidate:.*?)\r?$", offer, re.M)
    if arguments.trickle:
        offer = re.sub(r"^a=(candidate:.*|end-of-candidates)\r?\n", "", offer, flags=re.M)
    posted = time.monotonic()
    headers = {"content-type": "application/sdp"}
    status, told, answer = await loop.run_in_executor(None, ask, "POST", arguments.url, offer, headers)
    if status != 201:
        await connection.close()
        return {"status": status, "said": answer}
    session = re.sub(r"^(https?://[^/]+).*$", r"\1", arguments.url) + told["location"]
    etag = told["etag"]
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    answered = time.monotonic()

    def fragment(ufrag: str, password: str, lines: list[str]) -> str:
        head = f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        return head + "".join(f"a={line}\r\n" for line in lines)

    def own(name: str) -> str:
        return re.search(rf"^a={name}:(\S+)", connection.localDescription.sdp, re.M).group(1)

    patched = []
    if arguments.trickle:
        text = fragment(own("ice-ufrag"), own("ice-pwd"), candidates)
        kind = {"content-type": "application/trickle-ice-sdpfrag"}
        for match in ('"other"', etag):
            patched.append((await loop.run_in_executor(None, ask, "PATCH", session, text, kind | {"if-match": match}))[0])
    await asyncio.sleep(arguments.seconds)
    deleted = (await loop.run_in_executor(None, ask, "DELETE", session))[0]
    again = (await loop.run_in_executor(None, ask, "DELETE", session))[0]
    for task in tasks:
        task.cancel()
    await connection.close()

    pictures, sound = seen["pictures"], seen["sound"]
    gaps = [late[0] - early[0] for early, late in zip(pictures, pictures[1:])]
    clock = fractions.Fraction(1, 90_000)
    return {
        "status": status,
        "answer_ms": (answered - posted) * 1e3,
        "first_picture_ms": (pictures[0][0] - (answered - began)) * 1e3 if pictures else None,
        "pictures": len(pictures),
        "size": pictures[-1][2:] if pictures else None,
        "seconds_of_pictures": float((pictures[-1][1] - pictures[0][1]) * clock) if pictures else 0,
        "longest_gap_ms": max(gaps) * 1e3 if gaps else None,
        "contrast": seen.get("luma"),
        "seconds_of_sound": sum(samples for _, _, samples in sound) / 48_000,
        "loudest": seen["energy"],
        "stamps": seen["stamps"],
        "patched": patched,
        "deleted": [deleted, again],
        "states": seen["states"],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.0, help="one way, ms")
    parser.add_argument("--trickle", action="store_true")
    arguments = parser.parse_args()
    if arguments.loss or arguments.delay:
        worsen(arguments.loss, arguments.delay / 1e3)
    print(json.dumps(asyncio.run(watch(arguments))))


main()
