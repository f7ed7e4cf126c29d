// One bundle a widget: anywidget loads the module from a Blob URL, where relative imports cannot resolve.
import { existsSync, readdirSync } from "node:fs";
import * as esbuild from "esbuild";

const widgets = readdirSync("src").filter((name) => existsSync(`src/${name}/index.ts`));
const options = {
  entryPoints: widgets.flatMap((name) => [
    { in: `src/${name}/index.ts`, out: name },
    { in: `src/${name}/style.css`, out: name },
  ]),
  outdir: "../static",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: !process.argv.includes("--watch"),
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "info",
};

if (process.argv.includes("--watch")) {
  await (await esbuild.context(options)).watch();
} else {
  await esbuild.build(options);
}
