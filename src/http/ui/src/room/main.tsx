// `/rooms/{room}`: where people meet.

import { render } from "preact";
import "../tokens.css";
import "../controls.css";
import "../gear/gear.css";
import "./style.css";
import { stayAwake } from "../gear/awake.ts";
import { Gear } from "../gear/gear.ts";
import { QUALITIES } from "../gear/quality.ts";
import { App } from "./app.tsx";
import { Meeting } from "./meeting.ts";

const room = decodeURIComponent(location.pathname).split("/")[2] ?? "";
document.title = `${room} · capturebox`;
const gear = new Gear(QUALITIES.standard);
const meeting = new Meeting(room, gear);
stayAwake(() => meeting.phase.value === "in");
render(<App meeting={meeting} gear={gear} />, document.getElementById("app")!);
await gear.start();
