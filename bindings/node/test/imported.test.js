// The Claude Agent SDK's session store over what was imported of a Claude Code folder.
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { foldSessionSummary, importSessionToStore, InMemorySessionStore, listSessions } from "@anthropic-ai/claude-agent-sdk";
import { SessileSessionStore } from "../claude.js";

const [PROJECT, WORK_DIR] = ["-home-me-project", "/home/me/project"];
const ID = "0c000000-0000-4000-8000-00000000000c";
const OTHER = "0c000000-0000-5000-8000-00000000000d"; // as an id of ours looks that stands for a name
const KEY = { projectKey: PROJECT, sessionId: ID };
const AGENT = { ...KEY, subpath: "subagents/agent-a1" };

const said = (uuid, content, parentUuid = null, more = {}) => ({
  parentUuid, isSidechain: false, type: "user", uuid, sessionId: ID, cwd: WORK_DIR,
  timestamp: "2026-01-02T03:04:05.678Z", message: { role: "user", content }, ...more,
});
const spelt = (...entries) => entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
const FILES = {
  [`${ID}.jsonl`]: spelt(said("a", "What is a leaf?"), said("b", "And \u00e9?", "a")),
  [`${ID}/subagents/agent-a1.jsonl`]: spelt(said("s", "side", null, { isSidechain: true, agentId: "a1" })),
  [`${ID}/subagents/agent-a1.meta.json`]: '{"agentType": "Explore", "toolUseId": "toolu_1"}',
  [`${OTHER}.jsonl`]: `${spelt(said("c", "And a root?", null, { sessionId: OTHER }))}[1]\nno JSON\n`,
  "agent-old.jsonl": spelt(said("o", "of an old release", null, { isSidechain: true, agentId: "old" })),
  "notes.jsonl": "{}\n",
};

/** A test with a store that has imported a Claude Code folder, which the SDK reads, too. */
function of(name, body) {
  test(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), "sessile-"));
    const config = join(folder, ".claude");
    for (const [file, text] of Object.entries(FILES)) {
      const path = join(config, "projects", PROJECT, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    process.env.CLAUDE_CONFIG_DIR = config;
    const adapter = new SessileSessionStore(join(folder, "a.db"));
    try {
      await (await adapter.store()).import(config);
      await body(adapter, config);
      assert.deepEqual(await (await adapter.store()).check(), []);
    } finally {
      delete process.env.CLAUDE_CONFIG_DIR;
      await adapter.close();
      rmSync(folder, { recursive: true });
    }
  });
}

of("it gives what the SDK itself takes from the files", async (adapter) => {
  const theirs = new InMemorySessionStore();
  await importSessionToStore(ID, theirs, { dir: WORK_DIR });
  assert.deepEqual((await adapter.listSessions(PROJECT)).map(({ sessionId }) => sessionId), [ID, OTHER]);
  assert.deepEqual(await adapter.listSubkeys(KEY), await theirs.listSubkeys(KEY));
  for (const key of [KEY, AGENT]) assert.deepEqual(await adapter.load(key), await theirs.load(key));
  assert.deepEqual((await adapter.load({ ...KEY, sessionId: OTHER })).map(({ uuid }) => uuid), ["c"]);
  const summaries = async (options) => {
    const rows = await listSessions({ dir: WORK_DIR, ...options });
    return Object.fromEntries(rows.map(({ sessionId, summary }) => [sessionId, summary]));
  };
  assert.deepEqual(await summaries({ sessionStore: adapter }), await summaries({}));
});

of("what is appended goes on with the file, and is there once", async (adapter, config) => {
  const store = await adapter.store();
  await adapter.append(KEY, [said("b", "And \u00e9?", "a"), said("d", "three", "b")]);
  await adapter.append(AGENT, [said("u", "more", "s", { isSidechain: true, agentId: "a1" })]);
  appendFileSync(join(config, "projects", PROJECT, `${ID}.jsonl`), spelt(said("d", "three", "b")));
  await store.import(config);
  const uuids = async (key) => (await adapter.load(key)).map(({ uuid }) => uuid);
  assert.deepEqual(await uuids(KEY), ["a", "b", "d"]);
  assert.deepEqual(await uuids(AGENT), ["s", "u", undefined]);
  const [{ data }] = await adapter.listSessionSummaries(PROJECT);
  assert.deepEqual(data, foldSessionSummary(undefined, KEY, await adapter.load(KEY)).data);
  await adapter.delete(KEY);
  await store.import(config);
  assert.equal(await adapter.load(KEY), null);
  assert.equal(await adapter.load(AGENT), null);
});

of("a file that was written anew is summed up anew, also where nothing can be written", async (adapter, config) => {
  const store = await adapter.store();
  await adapter.listSessionSummaries(PROJECT);
  const anew = Array.from({ length: 9 }, (_, n) => said(`x${n}`, `another ${n}`));
  writeFileSync(join(config, "projects", PROJECT, `${ID}.jsonl`), spelt(...anew));
  await store.import(config);
  const expected = foldSessionSummary(undefined, KEY, anew).data;
  const reader = new SessileSessionStore(join(config, "..", "a.db"), { readOnly: true });
  for (const one of [reader, adapter]) assert.deepEqual((await one.listSessionSummaries(PROJECT))[0].data, expected);
  await reader.close();
});
