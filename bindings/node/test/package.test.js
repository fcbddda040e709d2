// What is packed is installed in an empty folder, and does what the README shows.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));

test("what is packed needs no compiler where it is installed, and the README's lines work there", () => {
  const folder = mkdtempSync(join(tmpdir(), "sessile-"));
  const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", timeout: 120_000 });
  try {
    // The addon is built already; to pack it would build it again.
    const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], HERE));
    const app = join(folder, "app");
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), '{ "type": "module" }');
    run("npm", ["install", "--silent", "--offline", join(folder, packed.filename)], app);
    const [, lines] = readFileSync(join(HERE, "README.md"), "utf8").match(/```js\n(import \{ Store \}[^`]*)```/);
    writeFileSync(join(app, "main.js"), lines);
    assert.match(run(process.execPath, ["main.js"], app), /The active entry\./);
    assert.ok(existsSync(join(app, "out")));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
