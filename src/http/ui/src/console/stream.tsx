// One stream: live and big, with what can be done to it, what it is made of, and how others get it.

import { useState } from "preact/hooks";
import { StreamActions } from "./actions.tsx";
import { post, put, type Stream, type Track } from "./api.ts";
import { condition } from "./condition.ts";
import { bitrate, counted } from "./format.ts";
import { Graphs } from "./graphs.tsx";
import { refresh, stream as named, streams } from "./live.ts";
import { LivePicture } from "./live_picture.tsx";
import { Meters } from "./meters.tsx";
import { say } from "./notices.ts";
import { Code } from "./qr.tsx";
import { href } from "./router.ts";
import { may } from "./session.ts";
import { Action, Card, Copied, Empty, Field, Icon, ICONS } from "./ui.tsx";
import { Badge } from "./wall.tsx";

export function StreamView({ name }: { name: string }) {
  const stream = named(name);
  if (stream === undefined) {
    return streams.value === null ? null : <><Title name={name} /><Empty title="There is no such stream">It may have been renamed, or you may not see it.</Empty></>;
  }
  const now = condition(stream);
  const runs = now.kind !== "stopped";
  const levels = stream.pipeline?.audio_levels ?? null;
  return (
    <>
      <Title name={name}><Badge stream={stream} told /></Title>
      <div class="studio">
        <div class="screen">
          <LivePicture name={name} runs={runs} note={now.cause} />
          {levels !== null && runs && <Meters levels={levels} />}
        </div>
        <div class="side">
          {may("operator") && <StreamActions stream={stream} />}
          {may("operator") && <Controls stream={stream} />}
          <Share stream={stream} />
          <Tracks tracks={stream.tracks} />
          <Numbers stream={stream} />
        </div>
        <Graphs name={name} />
      </div>
    </>
  );
}

function Title({ name, children }: { name: string; children?: preact.ComponentChildren }) {
  return (
    <div class="head">
      <a class="button bare" href={href()} aria-label="All streams" title="All streams"><Icon path={ICONS.back} /></a>
      <h1>{name}</h1>
      {children}
    </div>
  );
}

function Controls({ stream }: { stream: Stream }) {
  const { name, state, pipeline } = stream;
  const path = `/streams/${name}`;
  const stopped = state === "stopped" || state === "ended";
  const act = async (what: string): Promise<void> => {
    await post(`${path}/${what}`);
    await refresh();
  };
  return (
    <Card title="Controls">
      <div class="row">
        {stopped
          ? <Action kind="main" icon={ICONS.play} run={() => act("start")}>Start</Action>
          : <Action kind="danger" icon={ICONS.stop} run={() => act("stop")}>Stop</Action>}
        <Action icon={ICONS.film} disabled={stopped || pipeline?.encoder == null}
          run={async () => { await act("key-frame"); say("A key frame is asked for."); }}>Key frame</Action>
      </div>
      {!stopped && pipeline?.encoder != null && <Bitrate stream={stream} />}
    </Card>
  );
}

/** What the box takes, kbit/s. */
const [LEAST_KBPS, MOST_KBPS] = [50, 50_000];

function Bitrate({ stream }: { stream: Stream }) {
  const video = stream.tracks.find(({ codec }) => codec === "h264");
  const now = Math.round((stream.bitrate_target_bps ?? video?.bitrate_bps ?? 0) / 1000);
  const [typed, setTyped] = useState<string | null>(null);
  const value = typed ?? (now === 0 ? "" : String(now));
  const set = async (): Promise<void> => {
    await put(`/streams/${stream.name}/bitrate`, { video_bitrate_bps: Math.round(Number(value) * 1000) });
    await refresh();
    setTyped(null);
    say(`The encoder now aims at ${bitrate(Number(value) * 1000)}.`);
  };
  const fits = Number(value) >= LEAST_KBPS && Number(value) <= MOST_KBPS;
  return (
    <Field label="Video bitrate, kbit/s" hint={video && `It makes ${bitrate(video.measured_bps)} now.`}
      error={typed !== null && !fits ? `From ${LEAST_KBPS} to ${MOST_KBPS}.` : undefined}>
      {(props) => (
        <div class="beside">
          <input {...props} type="number" inputMode="numeric" min={LEAST_KBPS} max={MOST_KBPS} step="any" value={value}
            onInput={(event) => setTyped(event.currentTarget.value)} />
          <Action disabled={typed === null || !fits} run={set}>Set</Action>
        </div>
      )}
    </Field>
  );
}

function Share({ stream: { page, hls } }: { stream: Stream }) {
  const address = new URL(page, location.href).href;
  return (
    <Card title="Watch">
      <Code text={address} label="QR code of the viewer page" />
      <a class="button" href={page} target="_blank" rel="noreferrer"><Icon path={ICONS.open} />Viewer page</a>
      <Copied label="Address of the viewer page" text={address} />
      {hls !== null && <Copied label="For other players (HLS)" text={new URL(hls.url, location.href).href} />}
    </Card>
  );
}

function Numbers({ stream }: { stream: Stream }) {
  const { pipeline, hls, readers, viewers, dropped, av_offset_us } = stream;
  const rows: [string, string | null][] = [
    ["Viewers", counted(viewers, "viewer")],
    ["Outputs that read it", String(readers)],
    ["Encoder", pipeline === null ? null : pipeline.encoder ?? "none: it comes encoded"],
    ["Pictures a second", pipeline && pipeline.capture_fps.toFixed(1)],
    ["Pictures captured", pipeline && String(pipeline.captured_frames)],
    ["Pictures dropped", pipeline && String(pipeline.dropped_frames)],
    ["Dropped for slow readers", String(dropped)],
    ["Capture to packaged", hls && `${ms(hls.part_delay_p50_us)}, at worst ${ms(hls.part_delay_p99_us)}`],
    ["Sound after picture", av_offset_us === null ? null : ms(av_offset_us)],
  ];
  return (
    <Card title="Numbers">
      <dl class="facts">{rows.map(([name, text]) => text !== null && <div key={name}><dt>{name}</dt><dd>{text}</dd></div>)}</dl>
    </Card>
  );
}

function ms(us: number): string {
  return `${Math.round(us / 1000)} ms`;
}

const CODECS: Record<Track["codec"], string> = { h264: "H.264", aac: "AAC", opus: "Opus" };

function Tracks({ tracks }: { tracks: Track[] }) {
  return (
    <Card title="Tracks">
      {tracks.length === 0 && <p class="quiet">None yet.</p>}
      <dl class="facts">
        {tracks.map((track) => <div key={track.id}><dt>{CODECS[track.codec]}</dt><dd>{described(track)}</dd></div>)}
      </dl>
    </Card>
  );
}

function described({ width, height, frame_rate, rate_hz, channels, measured_bps }: Track): string {
  return [
    width !== undefined && `${width} × ${height}`,
    frame_rate !== undefined && `${frame_rate} fps`,
    rate_hz !== undefined && `${rate_hz / 1000} kHz`,
    channels !== undefined && (channels === 1 ? "mono" : channels === 2 ? "stereo" : `${channels} channels`),
    measured_bps > 0 && bitrate(measured_bps),
  ].filter(Boolean).join(" · ");
}
