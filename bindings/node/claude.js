// A store behind the Claude Agent SDK: query({ prompt, options: { sessionStore } }).
//
// A transcript is a Claude Code session of the store, in the file that Claude Code gives it:
// projects/<projectKey>/<sessionId>.jsonl, those of sub-agents in its folder. So
// `sessile search` and `list` find it, and an export is a config folder to go on with.
import { createHash } from "node:crypto";
import { foldSessionSummary } from "@anthropic-ai/claude-agent-sdk";
import { Store } from "./index.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const AGENT = /^subagents\/([^/]+\/)*agent-[^/]+$/;
// Ends the file of what has a name that no file of Claude Code has.
const MADE = /[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NAME = /^(?!\.\.?$)[ -.0-~]{1,240}$/;
const NAMES = "claude_agent_sdk.names";
const SUMMARY = "claude_agent_sdk.summary.typescript";

/** A UUID of version 5, of the namespace of object identifiers: as Python makes it. */
function made(name) {
  const hash = createHash("sha1").update(Buffer.from("6ba7b8129dad11d180b400c04fd430c8", "hex")).update(name);
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const folderOf = (projectKey) => `projects/${NAME.test(projectKey) ? projectKey : made(projectKey)}`;

/** Where the transcript of a key lies, without the end of its name. */
function placeOf({ projectKey, sessionId, subpath }) {
  const place = `${folderOf(projectKey)}/${UUID.test(sessionId) ? sessionId : made(sessionId)}`;
  if (subpath === undefined) return place;
  const fits = AGENT.test(subpath) && subpath.split("/").every((name) => NAME.test(name));
  return `${place}/${fits ? subpath : `subagents/agent-${made(subpath)}`}`;
}

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
    this.#opened ??= Store.open(this.#path, this.#options);
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
    const records = await (await this.#find(placeOf(key)))?.records();
    return records?.length ? records : null;
  }

  async listSessions(projectKey) {
    const rows = await this.#rows(folderOf(projectKey));
    return rows.map(({ name, mtime }) => ({ sessionId: name, mtime }));
  }

  async listSessionSummaries(projectKey) {
    const summaries = [];
    for (const { name, mtime, session } of await this.#rows(folderOf(projectKey))) {
      summaries.push({ sessionId: name, mtime, data: await this.#inOrder(() => this.#summary(session, name)) });
    }
    return summaries;
  }

  async delete(key) {
    await this.#inOrder(async () => {
      const [store, place] = [await this.store(), placeOf(key)];
      const below = (await store.sessionFiles(place)).map(({ session }) => session);
      await store.purge([await this.#find(place), ...below].filter(Boolean));
    });
  }

  async listSubkeys(key) {
    return (await this.#rows(placeOf(key), "subpath")).map(({ name }) => name);
  }

  async #find(place) {
    try {
      // Of no root: the store's own.
      return await (await this.store()).find(`:${place}.jsonl`);
    } catch (error) {
      if (error.isNotFound) return null;
      throw error;
    }
  }

  async #append(key, entries) {
    const [store, place] = [await this.store(), placeOf(key)];
    const isMade = MADE.test(place);
    let session = await this.#find(place);
    if (session === null) {
      try {
        // Of a made name, what it stands for comes first: it is listed by that.
        const records = isMade ? [] : entries;
        session = await store.create(null, { file: `${place}.jsonl`, format: "claude", records });
        if (!isMade) entries = [];
      } catch (error) {
        if (!error.isConflict) throw error; // else another process was quicker
        session = await store.find(`:${place}.jsonl`);
      }
    }
    if (isMade) await session.setMetadata({ [NAMES]: { session_id: key.sessionId, subpath: key.subpath } });
    if (0 < entries.length) await session.appendRecords(entries);
    if (key.subpath === undefined) await this.#summary(session, key.sessionId);
  }

  /** The SDK's own fold of all lines, of which those that are new to it are read. */
  async #summary(session, sessionId) {
    const held = this.#summaries.get(session.key) ?? (await session.metadata())[SUMMARY];
    const { lines, data } = held ?? { lines: 0, data: undefined };
    const records = await session.records(lines);
    if (records.length === 0) return data ?? {};
    const before = data && { sessionId, mtime: 0, data };
    const folded = foldSessionSummary(before, { projectKey: "", sessionId }, records).data;
    const now = { lines: lines + records.length, data: folded };
    // Kept when it changes, and every 100 lines: a race of two can only keep an older one.
    const isOld = Math.floor(now.lines / 100) !== Math.floor(lines / 100);
    if (isOld || JSON.stringify(folded) !== JSON.stringify(data)) await session.setMetadata({ [SUMMARY]: now });
    this.#summaries.set(session.key, now);
    return folded;
  }

  /** Name, time and session of each transcript below a folder. */
  async #rows(folder, field = "session_id") {
    const found = [];
    for (const { file, lines, modifiedAt, session } of await (await this.store()).sessionFiles(folder)) {
      let name = file.slice(folder.length + 1, -".jsonl".length);
      if (lines === 0 || (field === "session_id" && name.includes("/"))) continue;
      if (MADE.test(name)) name = (await session.metadata())[NAMES][field];
      found.push({ name, mtime: modifiedAt.getTime(), session });
    }
    return found;
  }
}
