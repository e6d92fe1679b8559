// `/{stream}/publish`: sends this device's camera, microphone or screen to the box.

import { render } from "preact";
import "../tokens.css";
import "../controls.css";
import "../gear/gear.css";
import "./style.css";
import { App, assemble } from "./app.tsx";

const stream = decodeURIComponent(location.pathname).split("/")[1] ?? "";
document.title = `Publish ${stream} · capturebox`;
const { gear, sending } = assemble(stream);
render(<App stream={stream} gear={gear} sending={sending} />, document.getElementById("app")!);
await gear.start();
