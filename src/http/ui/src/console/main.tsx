// The console: the page people open first.

import { render } from "preact";
import "../tokens.css";
import "../controls.css";
import "./style.css";
import { publishStats } from "../stats.ts";
import { App } from "./app.tsx";
import { follow } from "./live.ts";
import { whoAmI } from "./session.ts";

publishStats(() => null);
render(<App />, document.getElementById("app")!);
// A box that is away says so by the streams, which are asked for again and again.
await whoAmI().catch(() => {});
follow();
