// Bundles the page into dist/: assets with their content's hash in their name, index.html that names
// them, and a .gz beside each. `--tests` bundles the unit tests instead, for node's test runner.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

if (process.argv.includes("--tests")) {
  rmSync(".cache/tests", { recursive: true, force: true });
  await build({
    entryPoints: readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`),
    outdir: ".cache/tests",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "warning",
  });
} else {
  const { outputFiles } = await build({
    entryPoints: ["src/main.ts", "src/style.css"],
    outdir: "dist",
    bundle: true,
    minify: true,
    format: "esm",
    target: ["es2022"],
    // The licence of hls.js stays in the bundle.
    legalComments: "inline",
    write: false,
    logLevel: "warning",
  });
  rmSync("dist", { recursive: true, force: true });
  mkdirSync("dist");
  let page = readFileSync("src/index.html", "utf8");
  const files = outputFiles.map(({ path, contents }) => {
    const [, stem, extension] = /([^/]+)\.(\w+)$/.exec(path);
    const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
    const name = `${stem}-${hash}.${extension}`;
    page = page.replaceAll(`{{${stem}.${extension}}}`, `/assets/${name}`);
    return [name, Buffer.from(contents)];
  });
  if (page.includes("{{")) throw new Error("index.html names a file that was not built");
  for (const [name, contents] of [...files, ["index.html", Buffer.from(page)]]) {
    writeFileSync(`dist/${name}`, contents);
    writeFileSync(`dist/${name}.gz`, gzipSync(contents, { level: 9 }));
  }
}
