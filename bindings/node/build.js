// Builds the addon with cargo, and puts it beside this file: node build.js [PROFILE]
// A package that was packed has it, and nothing to build it from.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
if (!existsSync(join(here, "Cargo.toml")) && existsSync(join(here, "sessile.node"))) process.exit();
const cargo = (...args) =>
  execFileSync("cargo", args, { cwd: here, stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 });

const { target_directory: target } = JSON.parse(cargo("metadata", "--format-version=1", "--no-deps", "--locked"));
const profile = process.argv[2] ?? "release";
cargo("build", "--profile", profile, "--locked", "--package", "sessile-node");
const library = { darwin: "libsessile_node.dylib", win32: "sessile_node.dll" }[process.platform] ?? "libsessile_node.so";
// By a rename, so that a process that has loaded the old one keeps it.
copyFileSync(join(target, profile === "dev" ? "debug" : profile, library), join(here, "sessile.node.new"));
renameSync(join(here, "sessile.node.new"), join(here, "sessile.node"));
