// Both stores of pi: its SQLite backend, and its SessionManager over JSONL files.
// usage: pi.mjs MODULES PEER FOLDER SESSIONS LONG LISTED; prints a line of JSON an operation.
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , modules, peer, folder, ...counts] = process.argv;
const [sessions, long, listed] = counts.map(Number);
const load = (path) => import(pathToFileURL(join(modules, "node_modules/@earendil-works", path)));

const text = (n) => (`message ${n}: ` + "one more file is read, and what it says is told again. ".repeat(20)).slice(0, 1024);
const say = (what, value, unit) => console.log(JSON.stringify({ what, value, unit }));

async function median(rounds, work) {
  const times = [];
  for (let n = 0; n < rounds; n++) {
    const start = process.hrtime.bigint();
    await work(n);
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  return times.sort((one, other) => one - other)[rounds >> 1];
}

function made(name) {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
}

function bytesBelow(path) {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function require(holds) {
  if (!holds) throw new Error("messages are missing");
}

async function sqlite() {
  const { BACKGROUND_CONTEXT: context } = await load("pi-agent-core/dist/index.js");
  const { createNodeSqliteFactory, SqliteSessionRepo } = await load("pi-session-backend-sqlite-node/dist/index.js");
  return (path) => {
    const databasePath = join(path, "all.sqlite");
    const repo = new SqliteSessionRepo({ directory: path, databasePath, databaseFactory: createNodeSqliteFactory() });
    const message = (n) => ({ role: "user", content: text(n), timestamp: 1_700_000_000_000 + n });
    return {
      async begin() {
        const session = await repo.create({}, context);
        return { session, about: session.metadata, branch: await session.createBranch("main", null, context), ids: [] };
      },
      append: async (open, n) => open.ids.push(await open.branch.appendMessage(message(n), context)),
      end: (open) => open.session.close(context),
      async again(about) {
        const session = await repo.open(about, context);
        return { session, about, branch: await session.branch("main", context), ids: [] };
      },
      async restore(about, count) {
        const open = await this.again(about);
        require((await open.branch.findEntries(undefined, context)).length === count);
        await this.end(open);
      },
      // Without an agent's lane it forks the whole tree; a branch begins at the entry then.
      async fork(about, id) {
        const fork = await repo.fork(about, { scope: "tree" }, context);
        await fork.createBranch("fork", id, context);
        await fork.close(context);
      },
      async list() {
        const all = await repo.list(undefined, context);
        all.sort((one, other) => other.createdAt - one.createdAt);
        return all.slice(0, 100);
      },
      close: () => repo.close(context),
    };
  };
}

async function jsonl() {
  const { SessionManager } = await load("pi-coding-agent/dist/core/session-manager.js");
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, cost };
  // A file is written from the first answer on, so every other message is one.
  const message = (n) => ({
    timestamp: 1_700_000_000_000 + n,
    ...(n % 2 === 0
      ? { role: "user", content: text(n) }
      : { role: "assistant", content: [{ type: "text", text: text(n) }], api: "a", provider: "p", model: "m", usage, stopReason: "stop" }),
  });
  return (path) => ({
    begin() {
      const manager = SessionManager.create("/home/me/work", path);
      return { manager, get about() { return manager.getSessionFile(); }, ids: [] };
    },
    append: (open, n) => open.ids.push(open.manager.appendMessage(message(n))),
    end() {},
    again: (about) => ({ manager: SessionManager.open(about, path), about, ids: [] }),
    restore(about, count) {
      require(this.again(about).manager.buildSessionContext().messages.length === count);
    },
    fork: (about, id) => SessionManager.open(about, path).createBranchedSession(id),
    list: async () => (await SessionManager.list("/home/me/work", path)).slice(0, 100),
    close() {},
  });
}

const open = await { "pi sqlite": sqlite, "pi jsonl": jsonl }[peer]();
const fill = async (store, count) => {
  const session = await store.begin();
  for (let n = 0; n < count; n++) await store.append(session, n);
  return session;
};

let path = made("many");
let store = open(path);
const created = await median(1, async () => {
  for (let k = 0; k < sessions; k++) await store.end(await fill(store, 20));
});
await store.close();
say("create: a message", (created * 1e3) / sessions / 20, "µs");
say("bytes on disk a message byte", bytesBelow(path) / sessions / 20 / text(0).length, "");

store = open(made("long"));
let whole;
for (const count of [100, long]) {
  whole = await fill(store, count);
  await store.end(whole);
  say(`open and restore ${count}`, await median(5, () => store.restore(whole.about, count)), "ms");
}
const live = await store.again(whole.about);
say(`append to ${long}`, (await median(200, (n) => store.append(live, n))) * 1e3, "µs");
await store.end(live);
say(`fork at the middle of ${long}`, await median(3, () => store.fork(whole.about, whole.ids[long >> 1])), "ms");
await store.close();

store = open(made("listed"));
// pi's files begin with the first answer: two messages.
for (let k = 0; k < listed; k++) await store.end(await fill(store, 2));
say(`list the newest 100 of ${listed}`, await median(5, () => store.list()), "ms");
await store.close();
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"));
say("peak memory", Number(peak?.[1] ?? 0) / 1024, "MB");
