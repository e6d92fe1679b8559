// The views that the console has, in the order of its menu.

import type { ComponentType } from "preact";
import type { Role } from "./api.ts";
import { DevicesView } from "./devices.tsx";
import { LogView } from "./log.tsx";
import { MeetView } from "./meet.tsx";
import { PeopleView } from "./people.tsx";
import { PhoneView } from "./phone.tsx";
import { SettingsView } from "./settings.tsx";
import { ICONS } from "./ui.tsx";
import { WallView } from "./wall.tsx";

export interface View {
  /** The address: `#/name`. */
  name: string;
  /** In the menu. */
  title: string;
  icon: string;
  /** For whom it is; `null`: for everybody. */
  role: Role | null;
  show: ComponentType;
}

export const VIEWS: View[] = [
  { name: "", title: "Streams", icon: ICONS.wall, role: null, show: WallView },
  { name: "meet", title: "Meet", icon: ICONS.chat, role: null, show: MeetView },
  { name: "devices", title: "Devices", icon: ICONS.camera, role: "viewer", show: DevicesView },
  { name: "settings", title: "Settings", icon: ICONS.settings, role: "admin", show: SettingsView },
  { name: "people", title: "People", icon: ICONS.people, role: "admin", show: PeopleView },
  { name: "phone", title: "Phones", icon: ICONS.phone, role: "viewer", show: PhoneView },
  { name: "log", title: "Log", icon: ICONS.log, role: "admin", show: LogView },
];
