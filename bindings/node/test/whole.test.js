// The rest of the library: house-keeping, queries, lines, what one format alone has.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Store } from "../index.js";
import { failed, of, said } from "./support.js";

const FIXTURES = fileURLToPath(new URL("../../../fixtures/", import.meta.url));

of("lines go in and out byte for byte", async (store) => {
  const session = await store.create("/w", { format: "claude" });
  const line = '{"type":"user", "uuid":"a","message":{"role":"user","content":"\u00e9"}}';
  assert.deepEqual(await session.appendLines([line, Buffer.from(`${line}\n`), '{"n":1.0}']), [1, 1, 2]);
  assert.deepEqual(await session.lines(), [Buffer.from(`${line}\n`), Buffer.from('{"n":1.0}\n')]);
  assert.deepEqual(await session.lines(1), [Buffer.from('{"n":1.0}\n')]);
  await assert.rejects(session.appendLines(["{}", "no"]), failed("InvalidRecord"));
});

of("a query gives rows with the types of SQLite", async (store) => {
  const sql = "SELECT 1 AS i, 0.5 AS r, '\u00e9' AS t, x'00ff' AS b, NULL AS n, 9e999 AS most";
  assert.deepEqual(await store.query(sql), [
    { i: 1, r: 0.5, t: "\u00e9", b: Buffer.from([0, 255]), n: null, most: Infinity },
  ]);
  await assert.rejects(store.query("DELETE FROM sessions"), failed("InvalidSql"));
});

of("another database is taken in, and a root is forgotten", async (store, folder) => {
  const other = await Store.open(join(folder, "b.db"));
  await other.import(join(FIXTURES, "pi/small"));
  const report = await store.merge(join(folder, "b.db"));
  assert.ok(0 < report.new && report.isChange && report.refused.length === 0);
  other.close();
  const [record] = await store.usage();
  assert.ok(record.at instanceof Date && (await (await store.session(record.session)).entry(record.entryId)));
  await store.import(join(FIXTURES, "pi/small"));
  const imported = async () => (await store.importedRoots()).filter(({ root }) => root !== "");
  const [root] = await imported();
  assert.ok(root.importedAt instanceof Date && 0 < root.sessions);
  assert.equal((await store.forgetRoot(root.root)).traces, null);
  assert.deepEqual(await imported(), []);
});

of("a session is read as it was before its file was rewritten", async (store, folder) => {
  const root = join(folder, "root");
  mkdirSync(root);
  const header = '{"type":"session","id":"s","cwd":"/w"}\n';
  for (const text of ["first", "then"]) {
    const message = JSON.stringify({ type: "message", id: "a", message: said("user", text) });
    writeFileSync(join(root, "s.jsonl"), `${header}${message}\n`);
    await store.import(root, { format: "kward" });
  }
  const session = await store.find("s");
  assert.deepEqual((await session.generations()).map(({ number }) => number), [1, 2]);
  const earlier = await store.earlier(session, 1);
  const [then] = await (await earlier.session(session.key)).context();
  assert.equal(then.content, "first");
  earlier.close();
  await assert.rejects(store.earlier(session, 9), (error) => error.isNotFound);
  assert.equal((await store.prune()).files, 1);
  const sealed = await store.seal({ archived: true, idleSince: new Date("2200-01-01") });
  assert.ok(0 < sealed.packed && sealed.packed < sealed.bytes && sealed.traces === null);
  assert.equal((await store.seal({ sessions: [session] })).lines, 0);
});

of("a watch tells what anybody wrote", async (store) => {
  const watch = await store.watch();
  assert.equal(await watch.changed(), false);
  const session = await store.create("/w");
  assert.equal(await watch.changed(), true);
  watch.close();
  await assert.rejects(watch.changed(), failed("Closed"));
  await session.remember();
  assert.equal((await store.remembered("/w")).key, session.key);
  assert.deepEqual((await store.recentTree()).map(({ depth }) => depth), [0]);
});

of("what is said reads the same in every format", async (store) => {
  const session = await store.create("/w", { format: "pi" });
  await session.append(said("user", "Read it."));
  const call = { type: "toolCall", id: "c1", name: "read", arguments: { a_path: "a.txt" } };
  await session.append(said("assistant", [call]));
  const result = { role: "toolResult", toolCallId: "c1", toolName: "read", content: [{ type: "text", text: "Hi." }] };
  await session.append(result);
  const parts = (await session.conversation()).flatMap((one) => one.parts);
  assert.deepEqual(parts.map(({ kind }) => kind), ["text", "tool_call", "tool_result"]);
  assert.deepEqual(parts[1].arguments, { a_path: "a.txt" });
  assert.equal(parts[2].callId, "c1");
  assert.ok(await session.appendEntry("custom", { customType: "x" }));
  await assert.rejects(session.systemPrompts(), failed("Unsupported"));
});

of("Kward keeps prompts, tools and a memory", async (store) => {
  const session = await store.create("/w");
  assert.ok((await session.appendSystemPromptSnapshot("Be brief.")).isWritten);
  assert.equal((await session.systemPrompts())[0].content, "Be brief.");
  await session.appendToolExecution({ id: "c1", function: { name: "read", arguments: "{}" } }, "text");
  await session.updateMemoryState([{ a_key: 1 }], { lastRetrieval: { b_key: 2 } });
  assert.deepEqual(await session.memory(), { memories: [{ a_key: 1 }], lastRetrieval: { b_key: 2 } });
  assert.equal(await session.tag("a", "b"), true);
  assert.equal(await session.untag("c"), false);
  assert.equal(await session.clearTags(), true);
});
