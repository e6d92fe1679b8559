"""GStreamer's webrtcbin watches by WHEP, or publishes by WHIP, for some seconds; prints lines of JSON. Who publishes
says when it is connected, and sends a picture that flashes and a tone that beeps at every second.

usage: gst.py watch|publish URL SECONDS
"""

import array
import json
import math
import sys
import urllib.request
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstApp, GstSdp, GstWebRTC  # noqa: E402,F401

PATIENCE_S = 20
WIDTH, HEIGHT, FPS = 320, 240, 30
RATE, BLOCK = 48_000, 480
H264 = "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,packetization-mode=(string)1"
OPUS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2"
DECODES = {
    "video": "queue ! rtph264depay ! avdec_h264 ! fakesink name=sink signal-handoffs=true sync=false",
    "audio": "queue ! rtpopusdepay ! opusdec ! fakesink name=sink signal-handoffs=true sync=false",
}
SENDS = f"""
webrtcbin name=peer bundle-policy=max-bundle
appsrc name=video is-live=true format=time caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1
    ! queue ! openh264enc complexity=low gop-size=300 ! h264parse ! rtph264pay config-interval=-1 aggregate-mode=zero-latency
    ! {H264} ! peer.
appsrc name=audio is-live=true format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate={RATE},channels=1
    ! queue ! opusenc ! rtpopuspay ! {OPUS} ! peer.
"""


def ask(method, url, body=b""):
    request = urllib.request.Request(url, method=method, data=body or None, headers={"content-type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.status, answer.headers, answer.read().decode()


class Peer:
    """A webrtcbin in a pipeline, and its session on the box."""

    def __init__(self, pipeline, url):
        self.pipeline, self.url, self.session = pipeline, url, None
        self.loop, self.failure = GLib.MainLoop(), None
        self.bin = pipeline.get_by_name("peer")
        # By itself it leaves loopback out. Kept, since the agent would go with this reference to it.
        self.agent = self.bin.get_property("ice-agent")
        self.agent.emit("add-local-ip-address", "127.0.0.1")
        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: self.fail(str(message.parse_error())))
        self.wanted = False
        self.bin.connect("on-negotiation-needed", lambda _: setattr(self, "wanted", True))
        self.bin.connect("notify::ice-gathering-state", lambda *_: GLib.idle_add(self.gathered))

    def fail(self, why):
        self.failure = why
        self.loop.quit()

    def until(self, what, done):
        """Runs until it is so."""
        waited = GLib.timeout_add_seconds(PATIENCE_S, lambda: self.fail(f"waited in vain for {what}"))
        looks = GLib.timeout_add(20, lambda: self.loop.quit() if done() else True)
        self.loop.run()
        for source in (waited, looks):
            if GLib.main_context_default().find_source_by_id(source):
                GLib.source_remove(source)
        if self.failure is not None:
            raise SystemExit(self.failure)

    def stay(self, seconds):
        GLib.timeout_add_seconds(seconds, self.loop.quit)
        self.loop.run()
        if self.failure is not None:
            raise SystemExit(self.failure)

    def offer(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        # By then it is known what is sent, and its SSRCs are in the offer.
        self.until("what there is to offer", lambda: self.wanted)
        promise = Gst.Promise.new()
        self.bin.emit("create-offer", None, promise)
        promise.wait()
        reply = promise.get_reply()
        self.bin.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())
        self.until("the connection", self.is_connected)

    def gathered(self):
        if self.session is not None or self.bin.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        sdp = self.bin.get_property("local-description").sdp.as_text()
        _, headers, answer = ask("POST", self.url, sdp.encode())
        self.session = urljoin(self.url, headers["location"])
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.bin.emit("set-remote-description", description, Gst.Promise.new())

    def is_connected(self):
        return self.bin.get_property("connection-state") == GstWebRTC.WebRTCPeerConnectionState.CONNECTED

    def leave(self):
        left, _, _ = ask("DELETE", self.session)
        self.pipeline.set_state(Gst.State.NULL)
        return left


def watch(url, seconds):
    pipeline = Gst.Pipeline.new()
    receiver = Gst.ElementFactory.make("webrtcbin", "peer")
    receiver.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(receiver)
    peer = Peer(pipeline, url)
    for caps in (H264, OPUS):
        receiver.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps))
    seen = {"video": 0, "audio": 0, "size": None, "loudest": 0}

    def decoded(_, buffer, pad, kind):
        seen[kind] += 1
        if kind == "video":
            caps = pad.get_current_caps().get_structure(0)
            seen["size"] = [caps.get_value("width"), caps.get_value("height")]
        else:
            samples = array.array("h", buffer.extract_dup(0, buffer.get_size()))
            seen["loudest"] = max(seen["loudest"], max(samples, default=0))

    def added(_, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decoder = Gst.parse_bin_from_description(DECODES[kind], True)
        decoder.get_by_name("sink").connect("handoff", decoded, kind)
        pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.sinkpads[0])

    receiver.connect("pad-added", added)
    peer.offer()
    peer.until("pictures and sound", lambda: seen["video"] > 0 and seen["audio"] > 0)
    before = seen["video"]
    peer.stay(seconds)
    print(json.dumps({**seen, "pictures": seen["video"] - before, "left": peer.leave()}), flush=True)


def publish(url, seconds):
    peer = Peer(Gst.parse_launch(SENDS), url)
    sources = {kind: peer.pipeline.get_by_name(kind) for kind in ("video", "audio")}
    sent = {"video": 0, "audio": 0}
    chroma = bytes([128]) * (WIDTH * HEIGHT // 2)

    def push(kind, data, step):
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts, buffer.duration = sent[kind] * step, step
        sent[kind] += 1
        sources[kind].emit("push-buffer", buffer)

    def feed():
        clock = peer.pipeline.get_clock()
        if clock is None:
            return True
        now = (clock.get_time() - peer.pipeline.get_base_time()) / Gst.SECOND
        while sent["video"] / FPS <= now:
            number = sent["video"]
            # Something moves all the time.
            line = bytearray([235 if number % FPS < FPS // 5 else 40]) * WIDTH
            moves = bytearray(line)
            moves[number * 3 % (WIDTH - 16) :][:16] = bytes(16)
            picture = bytes(line) * (HEIGHT - 8) + bytes(moves[:WIDTH]) * 8 + chroma
            push("video", picture, Gst.SECOND // FPS)
        while sent["audio"] * BLOCK / RATE <= now:
            first = sent["audio"] * BLOCK
            tone = (9_000 * math.sin(math.tau * 1_000 * n / RATE) if n % RATE < RATE // 5 else 0 for n in range(first, first + BLOCK))
            push("audio", array.array("h", map(int, tone)).tobytes(), Gst.SECOND * BLOCK // RATE)
        return True

    GLib.timeout_add(5, feed)
    peer.offer()
    print(json.dumps({"connected": True}), flush=True)
    peer.stay(seconds)
    print(json.dumps({**sent, "left": peer.leave()}), flush=True)


if __name__ == "__main__":
    what, url, seconds = sys.argv[1:]
    Gst.init(None)
    globals()[what](url, int(seconds)) if what in ("watch", "publish") else sys.exit(__doc__)
