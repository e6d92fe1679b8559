// The middle of the last few measurements: what a person is told, without its jumps.

const SAMPLES = 30;

export class Recent {
  private samples: number[] = [];

  add(sample: number): void {
    this.samples.push(sample);
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  clear(): void {
    this.samples = [];
  }

  get median(): number | null {
    return [...this.samples].sort((a, b) => a - b)[this.samples.length >> 1] ?? null;
  }
}
