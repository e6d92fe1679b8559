// How loud the microphone is, as a bar.

import { useEffect, useRef } from "preact/hooks";

const SHOW_MS = 60;
/** The bar's left end. */
const SILENT_DBFS = -60;

/** Root mean square of samples from -1 to 1, as a share of the bar. Pure. */
export function share(samples: Float32Array): number {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length);
  const dbfs = power === 0 ? SILENT_DBFS : 10 * Math.log10(power);
  return Math.min(1, Math.max(0, 1 - dbfs / SILENT_DBFS));
}

export function Level({ track, label }: { track: MediaStreamTrack | null; label: string }) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (track === null) return undefined;
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const ticker = setInterval(() => {
      // Browsers hold sound back until somebody touches the page.
      if (context.state === "suspended") void context.resume();
      analyser.getFloatTimeDomainData(samples);
      const level = share(samples);
      bar.current?.style.setProperty("--level", level.toFixed(3));
      bar.current?.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    }, SHOW_MS);
    return () => {
      clearInterval(ticker);
      bar.current?.style.setProperty("--level", "0");
      void context.close();
    };
  }, [track]);
  return (
    <div class="level" ref={bar} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={0}>
      <div class="fill" />
    </div>
  );
}
