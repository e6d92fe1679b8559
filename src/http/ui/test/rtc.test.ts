import assert from "node:assert/strict";
import { test } from "node:test";
import { CaptureTimes } from "../src/rtc/capture_times.ts";
import { beginningAt, fragment, iceServers, restarted, told } from "../src/rtc/whip.ts";

test("capture times count on from the last stamp, also where RTP's clock comes round", () => {
  const times = new CaptureTimes();
  assert.equal(times.of(0), null);
  times.read("nonsense");
  times.read(new ArrayBuffer(8));
  times.read('{"rtp": "9"}');
  times.read("null");
  assert.equal(times.of(0), null);
  times.read(JSON.stringify({ rtp: 0xffff_ff00, media_us: 5_000_000, now_us: 5_010_000 }));
  assert.equal(times.of(0xffff_ff00), 5_000);
  assert.equal(times.of(0xffff_ff00 - 9_000), 4_900);
  assert.equal(times.of(9_000 - 256), 5_100);
});

test("servers for candidates are read from Link headers", () => {
  const link = '<stun:192.0.2.1:3478>; rel="ice-server", <https://a.example/x,y>; rel="next", '
    + '<turn:turn.example?transport=udp>; rel=ice-server; username="a;b,\\"c\\""; credential="s,1"; credential-type="password"';
  assert.deepEqual(iceServers(link), [
    { urls: "stun:192.0.2.1:3478" },
    { urls: "turn:turn.example?transport=udp", username: 'a;b,"c"', credential: "s,1" },
  ]);
  assert.deepEqual(iceServers('<javascript:x>; rel="ice-server"'), []);
  assert.deepEqual(iceServers(""), []);
});

test("a candidate goes with the credentials of its description", () => {
  const sdp = "v=0\r\na=group:BUNDLE 0 1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=mid:0\r\nm=audio 9 X 1\r\na=mid:1\r\n";
  const candidate = { candidate: "candidate:1 1 udp 1 192.0.2.1 5 typ host" } as RTCIceCandidate;
  assert.equal(fragment(sdp, [candidate]),
    "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n");
  assert.match(fragment(sdp, [null]), /\r\na=end-of-candidates\r\n$/);
});

test("after a restart the answer has the credentials and candidates of the fragment", () => {
  const answer = "v=0\r\nm=video 9 X 96\r\na=ice-ufrag:old\r\na=ice-pwd:before\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\na=end-of-candidates\r\n"
    + "a=mid:0\r\nm=audio 9 X 1\r\na=ice-ufrag:old\r\na=ice-pwd:before\r\na=mid:1\r\n";
  const told = "a=ice-ufrag:new\r\na=ice-pwd:now\r\na=ice-lite\r\nm=video 9 X 96\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.2 6 typ host\r\na=end-of-candidates\r\n";
  assert.equal(restarted(answer, told),
    "v=0\r\nm=video 9 X 96\r\na=ice-ufrag:new\r\na=candidate:1 1 udp 1 192.0.2.2 6 typ host\r\na=end-of-candidates\r\na=ice-pwd:now\r\n"
    + "a=mid:0\r\nm=audio 9 X 1\r\na=ice-ufrag:new\r\na=ice-pwd:now\r\na=mid:1\r\n");
});

test("refusals are told in the box's words", () => {
  assert.equal(told('{"title": "Conflict", "detail": "Somebody publishes it."}'), "Somebody publishes it.");
  assert.equal(told("There is nothing here.\n"), "There is nothing here.");
});

test("only H.264 is told how fast to begin, and lines stay whole", () => {
  const answer = "a=fmtp:111 useinbandfec=1\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\na=mid:0\r\n";
  assert.equal(beginningAt(answer, 1_000_000),
    "a=fmtp:111 useinbandfec=1\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f;x-google-start-bitrate=1000\r\na=mid:0\r\n");
});
