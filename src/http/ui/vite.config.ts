// Bundles the pages into dist/, flat: index.html, the console; viewer.html, the page of one stream;
// publish.html, where a stream is sent from; room.html, where people meet; what they load, with its content's
// hash in its name, which the box serves below /assets/; and a .gz beside each. `--mode tests` bundles the unit
// tests instead, for node's test runner.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin, type UserConfig } from "vite";

/** What the console's scripts may weigh without the player, gzipped: phones load it over a busy LAN. */
const CONSOLE_LIMIT_BYTES = 250_000;

const pages: UserConfig = {
  base: "/assets/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    assetsDir: "",
    target: "es2022",
    // Nothing may hide in a page as data: its policy allows files of the box only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // hls.js is what it is.
    chunkSizeWarningLimit: 1_000,
    rolldownOptions: {
      input: ["index.html", "viewer.html", "publish.html", "room.html"],
      output: {
        // Both pages play, and the console only when somebody looks at a stream.
        codeSplitting: { groups: [{ name: "player", test: /node_modules\/hls\.js\/|src\/(player|clock|recent|steering)\.ts/ }] },
      },
    },
  },
  plugins: [weighed(), licences(), compressed()],
  logLevel: "warn",
};

const tests: UserConfig = {
  build: {
    ssr: true,
    outDir: ".cache/tests",
    rolldownOptions: {
      input: readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`),
      output: { entryFileNames: "[name].mjs" },
    },
  },
  logLevel: "warn",
};

export default defineConfig(({ mode }) => (mode === "tests" ? tests : pages));

/** Writes a .gz beside each file. */
function compressed(): Plugin {
  return {
    name: "compressed",
    writeBundle({ dir = "dist" }, bundle) {
      for (const name of Object.keys(bundle)) {
        const path = resolve(dir, name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}

/** Whose work is in the pages: their licences want to be handed on with it. */
function licences(): Plugin {
  return {
    name: "licences",
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
      const folders = new Set(modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? []));
      const source = [...folders].sort().map((folder) => {
        const { name, version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as { name: string; version: string };
        const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
        if (file === undefined) this.error(`${name} comes without a licence`);
        return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
      }).join("\n\n");
      this.emitFile({ type: "asset", fileName: "licences.txt", source });
    },
  };
}

/** Fails when the console's scripts weigh too much. */
function weighed(): Plugin {
  return {
    name: "weighed",
    generateBundle(_, bundle) {
      const scripts = Object.values(bundle).filter((file) => file.type === "chunk" && !/^(player|viewer|publish|room)-/.test(file.fileName));
      const bytes = scripts.reduce((sum, file) => sum + (file.type === "chunk" ? gzipSync(file.code).length : 0), 0);
      if (bytes > CONSOLE_LIMIT_BYTES) this.error(`the console's scripts weigh ${bytes} bytes gzipped, over ${CONSOLE_LIMIT_BYTES}`);
      console.log(`The console's scripts: ${bytes} bytes gzipped.`);
    },
  };
}
