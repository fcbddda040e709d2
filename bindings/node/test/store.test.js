// A store and its sessions, as a program uses them.
import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Session, Store } from "../index.js";
import { failed, of, said } from "./support.js";

const SMALL = fileURLToPath(new URL("../../../fixtures/kward/small", import.meta.url));
const AT = new Date("2026-01-02T03:04:05.678Z");

async function all(rows) {
  const found = [];
  for await (const row of rows) found.push(row);
  return found;
}

of("what is appended comes back as it was", async (store) => {
  const session = await store.create("/w", { id: "s", at: AT, model: "m" });
  const message = said("user", "What is a leaf? \u00e9 \u{1f343} \ud83d", { n: 1.5, deep: [{ a: null }] });
  const id = await session.append(message, { at: AT });
  assert.deepEqual(await session.context(), [{ ...message, id }]);
  const [entry] = await session.path();
  assert.deepEqual([entry.id, entry.entryType, entry.createdAt], [id, "message", AT]);
  const info = await session.info();
  assert.deepEqual([info.leaf, info.workDir, info.model, info.modifiedAt], [id, "/w", "m", AT]);
});

of("branches are made, left and read", async (store) => {
  const session = await store.create("/w");
  const [question, yes] = await session.appendAll([said("user", "Tea?"), said("assistant", "Yes.")]);
  await session.branch(question);
  const no = await session.append(said("assistant", "No."), { expectLeaf: question });
  assert.deepEqual((await session.leaves()).map(({ id }) => id), [yes, no]);
  assert.equal((await session.context(yes))[1].content, "Yes.");
  assert.equal((await session.pop()).content, "No.");
  await session.branch(null);
  assert.equal(await session.pop(), null);
  await session.append(said("user", "a root"), { expectLeaf: null });
  assert.equal((await session.tree()).length, 4);
});

of("errors tell what there is to do", async (store, folder) => {
  const session = await store.create("/w", { id: "one" });
  await assert.rejects(store.find("nobody"), (error) => error.isNotFound && failed("SessionNotFound")(error));
  await assert.rejects(session.append(said("user", "x"), { expectLeaf: "other" }), (error) => error.isConflict);
  await assert.rejects(store.create("/w", { id: "one" }), failed("SessionExists"));
  await assert.rejects(session.append("no object"), failed("InvalidRecord"));
  await assert.rejects(Store.open(join(folder, "none.db"), { create: false }), failed("DatabaseMissing"));
  await assert.rejects(session.appendAll([said("user", "a"), 7]), /message 2/);
  assert.deepEqual(await session.context(), []);
  assert.equal(await store.get("on"), null);
  assert.equal((await store.get("one")).key, session.key);
});

of("lists and searches give all rows, a page at a time", async (store) => {
  const session = await store.create("/w", { id: "s" });
  await session.appendAll(Array.from({ length: 130 }, (_, n) => said("user", `the leaf number ${n}`)));
  for (let n = 0; n < 105; n++) await store.create("/other");
  assert.equal((await all(store.sessions())).length, 106);
  assert.equal((await all(store.sessions({ limit: 101 }))).length, 101);
  const [row] = await all(store.sessions({ workDir: "/w" }));
  assert.equal((await all(store.sessions({ format: "pi" }))).length, 0);
  const since = await all(store.sessions({ since: row.modifiedAt }));
  assert(since.every((one) => row.modifiedAt <= one.modifiedAt) && since.some((one) => one.key === row.key));
  assert.ok(row.key === session.key && row.modifiedAt instanceof Date && row.messageCount === 130);
  const hits = await all(store.search("leaf", { session }));
  assert.equal(hits.length, 130);
  assert.equal((await all(store.search("number 12\\d", { regex: true, limit: 5 }))).length, 5);
  await session.setMetadata({ Ticket_no: { deepKey: 1 } });
  assert.deepEqual(await session.metadata(), { Ticket_no: { deepKey: 1 } });
  assert.equal((await all(store.sessions({ metadata: { Ticket_no: { deepKey: 1 } } }))).length, 1);
});

of("a root goes in and comes out byte for byte", async (store, folder) => {
  const root = join(folder, "root");
  cpSync(SMALL, root, { recursive: true });
  assert.equal((await store.import(root)).sessions, 9);
  assert.deepEqual((await store.verify(root)).differences, []);
  await store.export(join(folder, "out"));
  const file = "sessions/--edge--/97-branch-summary.jsonl";
  assert.deepEqual(readFileSync(join(folder, "out", file)), readFileSync(join(root, file)));
  await assert.rejects(store.export(join(folder, "out")), (error) => error.isConflict);
});

of("records are whole lines, of which a uuid is kept once", async (store) => {
  const session = await store.create("/w", { format: "claude" });
  const record = { type: "user", uuid: "a", message: said("user", "x") };
  assert.deepEqual(await session.appendRecords([record, record, { type: "mode" }]), [1, 1, 2]);
  assert.deepEqual(await session.records(), [record, { type: "mode" }]);
  assert.deepEqual(await session.records(1), [{ type: "mode" }]);
});

of("a snapshot answers from one state, and what is closed says so", async (store) => {
  const session = await store.create("/w");
  const state = await store.snapshot();
  await session.append(said("user", "later"));
  const then = await state.session(session.key);
  assert.ok(then instanceof Session);
  assert.deepEqual(await then.context(), []);
  await assert.rejects(then.append(said("user", "x")), failed("Unsupported"));
  state.close();
  await assert.rejects(state.find("x"), failed("Closed"));
  await assert.rejects(then.context(), failed("Closed"));
});

of("calls run beside one another, and none is lost", async (store) => {
  const session = await store.create("/w");
  await Promise.all(Array.from({ length: 50 }, (_, n) => session.append(said("user", `${n}`))));
  assert.equal((await session.context()).length, 50);
});
