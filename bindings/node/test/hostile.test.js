// What a program does that it should not: nothing is lost by it, and it is told so.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { SessileError, Store } from "../index.js";
import { of } from "./support.js";

const INDEX = new URL("../index.js", import.meta.url).href;
const said = (content, more) => ({ role: "user", content, ...more });
const ours = (error) => error instanceof SessileError || assert.fail(`${error}`);

of("what is no argument is told as such, and writes nothing", async (store) => {
  const session = await store.create("/w", { format: "kward" });
  const before = await session.lines();
  const circle = {};
  circle.self = circle;
  let deep = 0;
  for (let n = 0; n < 100_000; n++) deep = [deep];
  const wrong = [
    () => session.append(undefined), () => session.append(null), () => session.append("x"), () => session.append([]),
    () => session.append(said(1n)), () => session.append(circle), () => session.append(said(deep)),
    () => session.append(() => {}), () => session.append(said("x"), { id: 5 }), () => session.append(said("x"), { id: "\ud83d" }),
    () => session.append(said("x"), { at: "yesterday" }), () => session.append(said("x"), { at: new Date(NaN), expectLeaf: "x" }),
    () => session.append(said("x"), { parent: 5 }), () => session.appendAll({}), () => session.appendAll(5),
    () => session.appendLines(['{"a":"\ud83d"}']), () => session.appendLines([5]), () => session.appendLines([null]),
    () => session.appendLines("{}"), () => session.appendLines(["x"]),
    () => session.lines(-1), () => session.lines(1.5), () => session.lines(NaN), () => session.lines(2 ** 40),
    () => session.lastMessages(-1), () => session.lastMessages(1.5), () => session.entriesAfter(-1),
    () => store.session(2 ** 60), () => store.session(-1), () => store.session("1"), () => store.session(1.5), () => store.session(),
    () => store.earlier(session, -1), () => store.earlier(session, 2 ** 60), () => store.earlier("x", 1),
    () => store.query("SELECT 1\0"), () => store.query(5), () => store.create(5), () => store.find(), () => store.find({}),
    () => session.setMetadata({ "": 1 }), () => session.setMetadata(5), () => session.setMetadata({ a: 1n }), () => session.tag(""),
    () => Store.open(), () => Store.open(5), () => Store.open("a\0b"), () => Store.open("x", { poolSize: -1 }),
    () => Store.open("x", { busyTimeout: NaN, durability: "none" }),
  ];
  for (const call of wrong) await assert.rejects(async () => call(), ours, `${call}`);
  for (const bad of [{ limit: "x" }, { archived: "x" }, { tags: 5 }]) {
    await assert.rejects(async () => { for await (const _ of store.sessions(bad)); }, ours, JSON.stringify(bad));
  }
  assert.deepEqual(await session.lines(), before);
  assert.deepEqual([await session.tags(), await session.metadata(), await store.check()], [[], {}, []]);
});

of("a store that is closed under its calls ends each of them", async (store) => {
  const session = await store.create("/w");
  await session.appendAll(Array.from({ length: 100 }, (_, n) => said(`${n}`)));
  const calls = Array.from({ length: 40 }, () => session.context());
  const rows = store.sessions();
  store.close();
  for (const done of await Promise.allSettled(calls)) {
    assert.ok(done.status === "fulfilled" ? done.value.length === 100 : done.reason.code === "Closed");
  }
  await assert.rejects(rows.next(), (error) => error.code === "Closed");
  await assert.rejects(store.snapshot(), (error) => error.code === "Closed");
  await assert.rejects(store.watch(), (error) => error.code === "Closed");
  await assert.rejects(session.lines(), (error) => error.code === "Closed");
  store.close(); // again
});

of("workers have stores of their own, and one may be ended in the middle of a call", async (store, folder) => {
  const session = await store.create("/w", { id: "s" });
  const body = `
    import { parentPort, workerData } from "node:worker_threads";
    const { Store } = await import(workerData.index);
    const store = await Store.open(workerData.path);
    const session = await store.get("s");
    parentPort.postMessage("ready");
    for (let n = 0; n < workerData.count; n++) await session.append({ role: "user", content: "x" });
    store.close();
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(body)}`);
  const begin = (count) => new Worker(url, { workerData: { index: INDEX, path: join(folder, "a.db"), count } });
  const exit = (worker) => new Promise((resolve, reject) => worker.on("error", reject).on("exit", resolve));
  const [killed, ...workers] = [begin(1e9), begin(10), begin(10)];
  // One may be done before the other is ready.
  const ends = workers.map(exit);
  await new Promise((resolve) => killed.on("message", resolve));
  await killed.terminate();
  assert.deepEqual(await Promise.all(ends), [0, 0]);
  assert.ok(20 <= (await session.context()).length);
  assert.deepEqual(await store.check(), []);
});

of("a process that ends in the middle of a call leaves a sound database", async (store, folder) => {
  const body = `
    const { Store } = await import(${JSON.stringify(INDEX)});
    const session = await (await Store.open(process.argv[1])).create("/w");
    for (let n = 0; n < 50; n++) session.append({ role: "user", content: "x" });
    process.exit(0);
  `;
  execFileSync(process.execPath, ["--input-type=module", "-e", body, join(folder, "a.db")], { timeout: 60_000 });
  assert.deepEqual(await store.check(), []);
});
