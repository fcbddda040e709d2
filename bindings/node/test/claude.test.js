// The Claude Agent SDK's session store, by the contracts of the SDK's own suite, which
// there is in Python alone: each is asked of the SDK's store in memory, too.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import {
  foldSessionSummary, getSessionMessages, InMemorySessionStore, listSessions,
} from "@anthropic-ai/claude-agent-sdk";
import { SessileSessionStore } from "../claude.js";

const KEY = { projectKey: "proj", sessionId: "sess" };
const ID = "0c000000-0000-4000-8000-00000000000c";
const entry = (fields) => ({ type: "x", ...fields });
const agent = (name) => ({ ...KEY, subpath: `subagents/${name}` });

function of(name, body) {
  test(`memory: ${name}`, () => body(new InMemorySessionStore()));
  ours(name, body);
}
function ours(name, body) {
  test(`sessile: ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "sessile-"));
    const store = new SessileSessionStore(join(folder, "a.db"));
    try {
      await body(store, folder);
      assert.deepEqual(await (await store.store()).check(), []);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true });
    }
  });
}

of("entries come back in the order of their appends", async (store) => {
  assert.equal(await store.load(KEY), null);
  await store.append(KEY, [entry({ uuid: "z", n: 1 })]);
  await store.append(KEY, []);
  await store.append(KEY, [entry({ uuid: "a", n: 2 }), entry({ uuid: "m", n: 3 })]);
  assert.deepEqual(await store.load(KEY), [
    entry({ uuid: "z", n: 1 }), entry({ uuid: "a", n: 2 }), entry({ uuid: "m", n: 3 }),
  ]);
  assert.equal(await store.load({ ...KEY, subpath: "nope" }), null);
});

of("projects, sessions and sub-agents are apart", async (store) => {
  await store.append({ projectKey: "A", sessionId: "s1" }, [entry({ from: "A" })]);
  await store.append({ projectKey: "B", sessionId: "s1" }, [entry({ from: "B" })]);
  await store.append(KEY, [entry({ uuid: "m" })]);
  await store.append(agent("agent-1"), [entry({ uuid: "s" })]);
  assert.deepEqual(await store.load({ projectKey: "A", sessionId: "s1" }), [entry({ from: "A" })]);
  assert.deepEqual(await store.load(agent("agent-1")), [entry({ uuid: "s" })]);
  assert.deepEqual(await store.load(KEY), [entry({ uuid: "m" })]);
  const rows = await store.listSessions("proj");
  assert.deepEqual(rows.map(({ sessionId }) => sessionId), ["sess"]);
  assert.ok(rows.every(({ mtime }) => Number.isInteger(mtime) && mtime > 1e12));
  assert.deepEqual(await store.listSessions("never"), []);
  assert.deepEqual(await store.listSubkeys(KEY), ["subagents/agent-1"]);
  assert.deepEqual(await store.listSubkeys({ projectKey: "proj", sessionId: "never" }), []);
});

of("deleting takes sub-agents along, and nothing else", async (store) => {
  const others = [{ ...KEY, sessionId: "sess2" }, { ...KEY, projectKey: "other" }];
  await store.delete(KEY);
  for (const key of [KEY, agent("agent-1"), agent("agent-2"), ...others]) await store.append(key, [entry({ n: 1 })]);
  await store.delete(agent("agent-1"));
  assert.equal(await store.load(agent("agent-1")), null);
  assert.deepEqual(await store.listSubkeys(KEY), ["subagents/agent-2"]);
  await store.delete(KEY);
  for (const key of [KEY, agent("agent-2")]) assert.equal(await store.load(key), null);
  for (const key of others) assert.equal((await store.load(key)).length, 1);
  assert.deepEqual(await store.listSubkeys(KEY), []);
  assert.deepEqual((await store.listSessions("proj")).map(({ sessionId }) => sessionId), ["sess2"]);
});

of("summaries are the SDK's own fold, without sub-agents", async (store) => {
  const time = (n) => `2024-01-01T00:00:0${n}.000Z`;
  const entries = [
    entry({ timestamp: time(0), customTitle: "first" }), entry({ timestamp: time(1) }),
    entry({ timestamp: time(2), customTitle: "second" }),
  ];
  await store.append(KEY, entries.slice(0, 2));
  await store.append(KEY, entries.slice(2));
  await store.append({ ...KEY, projectKey: "other" }, [entry({ timestamp: time(0) })]);
  await store.append(agent("agent-1"), [entry({ timestamp: time(9), customTitle: "side" })]);
  const [summary, ...more] = await store.listSessionSummaries("proj");
  assert.equal(more.length, 0);
  assert.equal(summary.sessionId, "sess");
  assert.deepEqual(summary.data, foldSessionSummary(undefined, KEY, entries).data);
  assert.ok(summary.mtime >= (await store.listSessions("proj"))[0].mtime);
  await store.delete(KEY);
  assert.deepEqual(await store.listSessionSummaries("proj"), []);
});

ours("a uuid is kept once, and the SDK's readers read", async (store) => {
  const key = { projectKey: "-home-me-project", sessionId: ID };
  const said = {
    type: "user", uuid: "0a000000-0000-4000-8000-000000000001", parentUuid: null, sessionId: ID,
    timestamp: "2026-01-02T03:04:05.678Z", cwd: "/home/me/project", message: { role: "user", content: "What is a leaf?" },
  };
  await store.append(key, [said]);
  await store.append(key, [said, { type: "mode", mode: "plan" }]);
  assert.deepEqual(await store.load(key), [said, { type: "mode", mode: "plan" }]);
  const options = { dir: "/home/me/project", sessionStore: store };
  const [row] = await listSessions(options);
  assert.deepEqual([row.sessionId, row.summary], [ID, "What is a leaf?"]);
  const [message] = await getSessionMessages(ID, options);
  assert.equal(message.message.content, "What is a leaf?");
});

ours("appends are in the order of their calls", async (store) => {
  await Promise.all(Array.from({ length: 50 }, (_, n) => store.append(KEY, [entry({ n })])));
  assert.deepEqual((await store.load(KEY)).map(({ n }) => n), Array.from({ length: 50 }, (_, n) => n));
});

const WRITER = `
import { SessileSessionStore } from ${JSON.stringify(new URL("../claude.js", import.meta.url).href)};
const [path, name] = process.argv.slice(-2);
const store = new SessileSessionStore(path);
for (let n = 0; n < 40; n++) {
  const key = { projectKey: "p", sessionId: "0c000000-0000-4000-8000-00000000000" + (n % 3) };
  const entry = (uuid) => ({ type: "user", uuid, parentUuid: null, message: { role: "user", content: "x" } });
  await store.append(key, [entry(name + "-" + n), entry("shared-" + n)]);
}
await store.close();
`;

ours("four processes at once lose and repeat nothing", async (store, folder) => {
  const run = promisify(execFile);
  const write = (name) =>
    run(process.execPath, ["--input-type=module", "-e", WRITER, join(folder, "a.db"), name], { timeout: 300_000 });
  await Promise.all(["0", "1", "2", "3"].map(write));
  const seen = [];
  for (const { sessionId } of await store.listSessions("p")) {
    seen.push(...(await store.load({ projectKey: "p", sessionId })).map(({ uuid }) => uuid));
  }
  assert.equal(seen.length, 4 * 40 + 40);
  assert.equal(new Set(seen).size, seen.length);
});
