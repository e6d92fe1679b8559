// What this browser keeps of a person's choices. Without storage, or where it is forbidden, nothing.

const PREFIX = "capturebox.";

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // It is asked again the next time.
  }
}
