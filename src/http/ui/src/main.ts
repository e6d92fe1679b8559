import Hls from "hls.js";

const name = location.pathname.split("/")[1] || "camera";
const video = document.createElement("video");
video.muted = video.autoplay = video.playsInline = video.controls = true;
document.getElementById("streams")!.append(video);
const hls = new Hls({ maxLiveSyncPlaybackRate: 1 });
hls.loadSource(`/${name}/index.m3u8`);
hls.attachMedia(video);
