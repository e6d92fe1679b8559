// The frame around the views: the menu, who sits here, how the box is, and what is said.

import { useEffect, useRef } from "preact/hooks";
import { AccountView } from "./account.tsx";
import { words } from "./api.ts";
import { reachable, streams } from "./live.ts";
import { notices, say } from "./notices.ts";
import { here, href } from "./router.ts";
import { may, session, signOut, unclaimed } from "./session.ts";
import { ClaimView, SignInView } from "./sign_in.tsx";
import { StreamView } from "./stream.tsx";
import { Empty, Icon, ICONS } from "./ui.tsx";
import { VIEWS, type View } from "./views.ts";

/** Whether whoever sits here may see a view. */
function open({ role }: View): boolean {
  return role === null || may(role);
}

export function App() {
  const { view, argument } = here.value;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>To the content</a>
      <header>
        <a class="brand" href={href()}>capturebox</a>
        <Menu />
        <Account />
      </header>
      <Main key={`${view}/${argument}`} />
      <Notices />
    </>
  );
}

/** The hash is the view's address, so the link can't move the focus by itself. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Menu() {
  const { view } = here.value;
  const current = view === "streams" ? "" : view;
  const entries = VIEWS.filter(open);
  if (entries.length < 2) return null;
  return (
    <nav aria-label="Views">
      {entries.map(({ name, title, icon }) => (
        <a href={href(name)} aria-current={name === current ? "page" : undefined}><Icon path={icon} /><span>{title}</span></a>
      ))}
    </nav>
  );
}

function Account() {
  const who = session.value;
  if (who === null) return <div class="account" />;
  if (who.account === null) {
    return <div class="account"><a class="button" href={href("sign-in")}><Icon path={ICONS.key} />{who.claimed ? "Sign in" : "Claim"}</a></div>;
  }
  const leave = (): void => void signOut().catch((error: unknown) => say(words(error), true));
  return (
    <div class="account">
      <a class="who" href={href("account")} title="Change your password"><strong>{who.account}</strong>{who.account !== who.role && <small>{who.role}</small>}</a>
      <button type="button" class="bare" onClick={leave} aria-label="Sign out" title="Sign out"><Icon path={ICONS.leave} /></button>
    </div>
  );
}

/** The view that the address names. New for each address, which takes the focus to its top. */
function Main() {
  const main = useRef<HTMLElement>(null);
  const { view } = here.peek();
  useEffect(() => {
    const heading = main.current?.querySelector("h1")?.textContent;
    document.title = heading && heading !== "Streams" ? `${heading} · capturebox` : "capturebox";
    scrollTo(0, 0);
    // Not when the page has just been opened: there the focus is where it belongs.
    if (view !== first) main.current?.focus({ preventScroll: true });
    first = null;
  }, []);
  return <main id="main" ref={main} tabIndex={-1}><Away /><Shown /></main>;
}

let first: string | null = here.peek().view;

function Shown() {
  const { view, argument } = here.value;
  const who = session.value;
  if (who === null) return reachable.value ? null : <Empty title="The box is away">It is asked again every two seconds.</Empty>;
  const signedIn = who.account !== null;
  if (unclaimed.value && view === "sign-in") return <ClaimView />;
  if (view === "sign-in" && !signedIn) return <SignInView />;
  // A new box asks to be claimed, and one that shows nothing to strangers asks who they are.
  if (view === "" && !signedIn && unclaimed.value) return <><ClaimView /><Wall /></>;
  if (view === "" && !signedIn && streams.value?.length === 0) return <SignInView />;
  if (view === "account") return signedIn ? <AccountView /> : <SignInView />;
  if (view === "streams") return <StreamView name={argument} />;
  const found = VIEWS.find(({ name }) => name === view);
  if (found !== undefined && !open(found)) {
    return signedIn ? <Empty title="That is not for you">Your role may not see this.</Empty> : unclaimed.value ? <ClaimView /> : <SignInView />;
  }
  const Found = found?.show ?? Wall;
  return <Found />;
}

const Wall = VIEWS[0]!.show;

function Away() {
  if (reachable.value || session.value === null) return null;
  return <p class="away" role="alert"><Icon path={ICONS.alert} />The box can't be reached. What stands here is old.</p>;
}

function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(({ id, text, bad }) => <p key={id} class={bad ? "bad" : ""}>{text}</p>)}
    </div>
  );
}
