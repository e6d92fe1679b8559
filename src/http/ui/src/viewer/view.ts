// A stream on the page: the picture, what state it is in, how far behind, its three buttons, and the choice
// between little delay and no hiccups.

import { type StreamInfo, withToken } from "../box.ts";
import type { ClockOffset } from "../clock.ts";
import { icon, make } from "../elements.ts";
import { LivePlayer } from "../live_player.ts";
import { remember, remembered } from "../memory.ts";
import type { Wish } from "../rtc/choice.ts";
import type { PlayerState } from "../stats.ts";

/** Where the browser keeps what the viewer wished for last. */
const WISH = "wish";

const WORDS: Record<PlayerState, string> = {
  "starting": "starting",
  "live": "live",
  "reconnecting": "reconnecting",
  "tap to play": "tap to play",
  "off air": "stopped",
  "stopped": "not playing",
};

export class StreamView {
  readonly element = make("article", { className: "stream" });
  readonly player: LivePlayer;
  private readonly video = make("video", { muted: true, autoplay: true, playsInline: true, className: "picture" });
  private readonly play = make("button", { className: "play", type: "button" }, icon("M8 5v14l11-7z"), make("span", {}, "Play"));
  private readonly sound = make("button", { className: "sound", type: "button" });
  private readonly full = make("button", { className: "icon", type: "button", title: "Full screen", ariaLabel: "Full screen" },
    icon("M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5", true));
  private readonly state = make("span", { className: "state", role: "status" });
  private readonly latency = make("span", { className: "latency" });
  private readonly note = make("p", { className: "trouble", role: "status", hidden: true });
  private readonly why = make("span", { className: "why", role: "status" });
  private info: StreamInfo;

  /** `changed` hears when it plays otherwise than before. */
  constructor(info: StreamInfo, clock: ClockOffset, changed: () => void) {
    this.info = info;
    this.video.setAttribute("muted", "");
    this.video.preservesPitch = true;
    this.video.setAttribute("aria-label", `Live picture of ${info.name}`);
    const stage = make("div", { className: "stage" },
      this.video, this.note, this.play, make("div", { className: "buttons" }, this.sound, this.full));
    const bar = make("div", { className: "bar" }, make("h1", {}, info.name), this.state, this.latency);
    const wish: Wish = remembered(WISH) === "steady" ? "steady" : "real time";
    this.player = new LivePlayer(info.name, this.video, clock, wish, () => {
      this.show();
      changed();
    });
    if (this.player.chooses) bar.append(this.wishes());
    this.element.append(stage, bar, this.address());

    this.play.addEventListener("click", () => this.startByHand());
    this.sound.addEventListener("click", () => {
      this.video.muted = !this.video.muted;
      this.show();
    });
    this.video.addEventListener("volumechange", () => this.show());
    this.full.addEventListener("click", () => this.toggleFullScreen(stage));
    this.show();
  }

  update(info: StreamInfo): void {
    this.info = info;
    this.player.rest(info.offAir !== null, info.ended);
    this.show();
  }

  /** Twice a second. */
  tick(): void {
    const { latencyMs } = this.player.stats();
    this.latency.textContent = latencyMs === null ? "" : `${latencyMs} ms behind`;
    this.explain();
  }

  /** Says so when the viewer's wish isn't what plays. */
  private explain(): void {
    const { player } = this;
    const instead = player.chooses && player.playing && player.wish === "real time" && player.transport === "hls";
    const text = instead && player.stats().state === "live" ? "No real time now: steady instead." : "";
    if (this.why.textContent !== text) this.why.textContent = text;
  }

  private wishes(): HTMLElement {
    const choice = (wish: Wish, words: string, title: string): HTMLElement => {
      const input = make("input", { type: "radio", name: "wish", value: wish, checked: this.player.wish === wish });
      input.addEventListener("change", () => {
        remember(WISH, wish);
        this.player.want(wish);
        this.explain();
      });
      return make("label", { title }, input, make("span", {}, words));
    };
    return make("fieldset", { className: "wishes" }, make("legend", { className: "unseen" }, "How to play"),
      choice("real time", "Real time", "As little delay as the network allows"),
      choice("steady", "Steady", "A second or so behind, without hiccups"), this.why);
  }

  private startByHand(): void {
    if (this.player.playing) void this.video.play();
    else this.player.start();
  }

  private show(): void {
    const { state } = this.player.stats();
    const trouble = this.info.offAir ?? this.info.trouble;
    this.element.dataset["state"] = state === "live" && trouble !== null ? "no signal" : state;
    this.state.textContent = state === "live" && trouble !== null ? "no signal" : WORDS[state];
    this.note.hidden = trouble === null || state === "stopped";
    this.note.textContent = trouble === null ? "" : trouble[0]?.toUpperCase() + trouble.slice(1);
    this.play.hidden = state !== "stopped" && state !== "tap to play";
    const { muted } = this.video;
    this.sound.hidden = this.full.hidden = state === "stopped" || state === "off air";
    this.sound.classList.toggle("urgent", muted);
    this.sound.replaceChildren(
      icon(muted ? "M4 9v6h4l5 4V5L8 9zM16 9l5 6M21 9l-5 6" : "M4 9v6h4l5 4V5L8 9zM16 9a4 4 0 0 1 0 6M18.500 6.500a8 8 0 0 1 0 11", true),
      make("span", { className: muted ? "" : "unseen" }, muted ? "Sound on" : "Sound off"));
    if (state !== "live") this.latency.textContent = "";
  }

  private toggleFullScreen(stage: HTMLElement): void {
    const video = this.video as HTMLVideoElement & { webkitEnterFullscreen?: () => void };
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (stage.requestFullscreen) void stage.requestFullscreen();
    else video.webkitEnterFullscreen?.();
  }

  /** The address for other players, to be copied. */
  private address(): HTMLElement {
    const url = new URL(withToken(`/${this.info.name}/index.m3u8`), location.href).href;
    const field = make("input", { value: url, readOnly: true, id: "address", spellcheck: false });
    field.addEventListener("focus", () => field.select());
    const copy = make("button", { type: "button" }, "Copy");
    copy.addEventListener("click", () => {
      field.select();
      // Browsers keep the clipboard from pages without https; the old way still works there.
      const copied = navigator.clipboard ? navigator.clipboard.writeText(url) : Promise.resolve(document.execCommand("copy"));
      void copied.then(() => {
        copy.textContent = "Copied";
        setTimeout(() => { copy.textContent = "Copy"; }, 2_000);
      });
    });
    return make("p", { className: "address" }, make("label", { htmlFor: "address" }, "For other players"), field, copy);
  }
}
