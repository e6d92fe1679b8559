// How phones and other devices get here: QR codes of the viewer pages, and of the page where they come to
// trust the box.

import { useEffect, useState } from "preact/hooks";
import { get, words } from "./api.ts";
import { streams } from "./live.ts";
import { say } from "./notices.ts";
import { Code } from "./qr.tsx";
import { Card, Copied, Empty, Head, Icon, ICONS } from "./ui.tsx";
import "./manage.css";

interface Setup {
  /** `http://ADDRESS:PORT/` on the LAN; `null`: others don't reach the box. */
  address: string | null;
  https_address: string | null;
  setup_address: string | null;
  certificate: "own" | "files" | "none";
  name: string | null;
  fingerprint: string | null;
}

/** Names that mean this machine wherever they are read. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** An address of the box that other devices can use: this page's, unless that is for this machine only. */
function base({ address }: Setup): string {
  return LOOPBACK.test(location.hostname) && address !== null ? address : `${location.origin}/`;
}

export function PhoneView() {
  const [setup, setSetup] = useState<Setup | null>(null);
  useEffect(() => void get<Setup>("/setup").then(setSetup).catch((error: unknown) => say(words(error), true)), []);
  if (setup === null) return <Head title="Phones" />;
  const alone = setup.address === null && LOOPBACK.test(location.hostname);
  return (
    <>
      <Head title="Phones" />
      {alone && (
        <p class="away"><Icon path={ICONS.alert} />The box listens for this machine only, so other devices don’t reach it. Settings, Network, says where it listens.</p>
      )}
      <div class="cards">
        <Trust setup={setup} />
        {(streams.value ?? []).map(({ name }) => <Watch key={name} name={name} address={new URL(`${name}/`, base(setup)).href} />)}
      </div>
      {streams.value?.length === 0 && <Empty title="No streams">There is nothing to watch yet.</Empty>}
    </>
  );
}

function Trust({ setup: { setup_address, certificate, name, fingerprint, https_address } }: { setup: Setup }) {
  if (certificate === "none") {
    return <Card title="Trust this box"><p class="quiet">It doesn’t speak HTTPS, so there is no certificate to trust.</p></Card>;
  }
  if (certificate === "files") {
    return <Card title="Trust this box"><p class="quiet">Its certificate comes from files. Devices trust it already, or whoever made it knows how they come to.</p></Card>;
  }
  const address = setup_address ?? new URL("/setup", location.href).href;
  return (
    <Card title="Trust this box">
      <Code text={address} label="QR code of the setup page" />
      <p>Scan it with the phone’s camera: the page there has the certificate and a guide for each system.</p>
      <ol class="steps">
        <li>Open <a href="/setup" target="_blank" rel="noreferrer">{address}</a> on the device.</li>
        <li>Install the certificate <strong>{name}</strong>.</li>
        <li>On an iPhone or iPad, switch it on by hand: Settings › General › About › Certificate Trust Settings.</li>
        <li>From then on: {https_address === null ? "open the box with https://." : <a href={https_address}>{https_address}</a>}</li>
      </ol>
      {fingerprint !== null && <Copied label="SHA-256 fingerprint, to compare on the device" text={fingerprint} />}
      <Copied label="Address of the setup page" text={address} />
    </Card>
  );
}

function Watch({ name, address }: { name: string; address: string }) {
  return (
    <Card title={name}>
      <Code text={address} label={`QR code of the viewer page of ${name}`} />
      <p class="quiet">The viewer page of {name}.</p>
      <Copied label={`Address of the viewer page of ${name}`} text={address} />
    </Card>
  );
}
