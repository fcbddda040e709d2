// A store behind the Claude Agent SDK: query({ prompt, options: { sessionStore } }).
//
// A transcript is a Claude Code session of the store, in the file that Claude Code gives it:
// projects/<projectKey>/<sessionId>.jsonl, those of sub-agents in its folder. So
// `sessile search` and `list` find it, and an export is a config folder to go on with.
import { foldSessionSummary } from "@anthropic-ai/claude-agent-sdk";
import { byRank, folderOf, isMade, NAMES, nameOf, objects, placeOf } from "./claude-places.js";
import { SessileError, Store } from "./index.js";

const SUMMARY = "claude_agent_sdk.summary.typescript";

/** Lets errors of the store pass. */
const unlessOurs = (error) => {
  if (!(error instanceof SessileError)) throw error;
};

/** What is awaited, or `instead` of a session that somebody deletes meanwhile. */
const orGone = (promise, instead) =>
  promise.catch((error) => {
    if (error.isNotFound) return instead;
    throw error;
  });

export class SessileSessionStore {
  #path;
  #options;
  #opened;
  #last = Promise.resolve();
  #summaries = new Map();

  constructor(path, options = {}) {
    this.#path = path;
    this.#options = options;
  }

  /** The store, which is opened when it is first used. */
  store() {
    this.#opened ??= Store.open(this.#path, this.#options).catch((error) => {
      this.#opened = undefined; // it may be tried again
      throw error;
    });
    return this.#opened;
  }

  async close() {
    await this.#last;
    if (this.#opened) (await this.#opened).close();
  }

  /** One after another, so that appends are written in the order of their calls. */
  #inOrder(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async append(key, entries) {
    if (0 < entries.length) await this.#inOrder(() => this.#append(key, entries));
  }

  async load(key) {
    const entries = await orGone(this.#load(placeOf(key), key.subpath !== undefined), []);
    return entries.length ? entries : null;
  }

  async listSessions(projectKey) {
    const found = await this.#transcripts(folderOf(projectKey));
    return found.map(({ name, row }) => ({ sessionId: name, mtime: row.modifiedAt.getTime() }));
  }

  async listSessionSummaries(projectKey) {
    const summaries = [];
    for (const { name, row } of await this.#transcripts(folderOf(projectKey))) {
      const data = await orGone(this.#inOrder(() => this.#summary(row, name)), null);
      if (data) summaries.push({ sessionId: name, mtime: row.modifiedAt.getTime(), data });
    }
    return summaries;
  }

  async delete(key) {
    await this.#inOrder(async () => {
      const [store, place] = [await this.store(), placeOf(key)];
      const rows = [...(await store.sessionFiles(`${place}.jsonl`)), ...(await store.sessionFiles(place))];
      await store.purge(rows.map(({ session }) => session));
    });
  }

  async listSubkeys(key) {
    return (await this.#transcripts(placeOf(key), "subpath")).map(({ name }) => name);
  }

  async #find(place) {
    return (await (await this.store()).sessionFiles(`${place}.jsonl`)).sort(byRank)[0] ?? null;
  }

  async #load(place, isAgent) {
    const row = await this.#find(place);
    if (row === null) return [];
    const entries = objects(await row.session.records());
    if (isAgent && entries.every(({ type }) => type !== "agent_metadata")) {
      // Claude Code keeps it beside the file, and the SDK among the entries.
      const described = await row.session.description();
      if (described) entries.push({ ...described, type: "agent_metadata" });
    }
    return entries;
  }

  async #append(key, entries) {
    const [store, place] = [await this.store(), placeOf(key)];
    const made = isMade(place);
    let session = (await this.#find(place))?.session;
    if (session === undefined) {
      try {
        // Of a made name, what it stands for comes first: it is listed by that.
        const records = made ? [] : entries;
        session = await store.create(null, { file: `${place}.jsonl`, format: "claude", records });
        if (!made) entries = [];
      } catch (error) {
        if (!error.isConflict) throw error; // else another process was quicker
        session = await store.find(`:${place}.jsonl`);
      }
    }
    if (made) await session.setMetadata({ [NAMES]: { session_id: key.sessionId, subpath: key.subpath } });
    if (0 < entries.length) await session.appendRecords(entries);
    const row = key.subpath === undefined ? await this.#find(place) : null;
    if (row) await orGone(this.#summary(row, key.sessionId), null);
  }

  /**
   * The SDK's own fold of all lines, of which those that are new to it are read.
   * Kept when it changes, and every 100 lines: a race of two can only keep an older one.
   */
  async #summary({ session, lines, generation }, sessionId) {
    let kept = this.#summaries.get(session.key) ?? (await session.metadata())[SUMMARY];
    if (kept?.generation !== generation) kept = { generation, lines: 0 };
    if (kept.lines < lines) {
      const records = objects(await session.records(kept.lines, { limit: lines - kept.lines }));
      const before = kept.data && { sessionId, mtime: 0, data: kept.data };
      const { data } = foldSessionSummary(before, { projectKey: "", sessionId }, records);
      const isOld = Math.floor(lines / 100) !== Math.floor(kept.lines / 100);
      const isNew = JSON.stringify(data) !== JSON.stringify(kept.data);
      kept = { generation, lines, data };
      // What cannot be kept is folded again when it is asked for.
      if (isNew || isOld) await session.setMetadata({ [SUMMARY]: kept }).catch(unlessOurs);
    }
    this.#summaries.set(session.key, kept);
    return kept.data ?? {};
  }

  /** The name and the row of each transcript below a folder. */
  async #transcripts(folder, field = "session_id") {
    const rows = new Map();
    for (const row of (await (await this.store()).sessionFiles(folder)).sort(byRank).reverse()) rows.set(row.file, row);
    const found = [];
    for (const [, row] of [...rows].sort(([one], [other]) => (one < other ? -1 : 1))) {
      if (row.lines === 0 || row.trashedAt !== null) continue;
      const name = await orGone(nameOf(row, folder, field), null);
      if (name !== null) found.push({ name, row });
    }
    return found;
  }
}
