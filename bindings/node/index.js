// A store of sessions, its snapshots and sessions: what index.d.ts describes.
import { createRequire } from "node:module";

const { Native } = createRequire(import.meta.url)("./sessile.node");

const NOT_FOUND = new Set([
  "SessionNotFound", "EntryNotFound", "TurnNotFound", "GenerationNotFound", "RootNotFound", "SourceNotFound",
  "DatabaseMissing",
]);
const CONFLICT = new Set(["LeafMoved", "EntryExists", "SessionExists", "TargetExists", "TargetNotEmpty"]);
const TIMES = [
  "created_at", "modified_at", "archived_at", "trashed_at", "labelled_at", "read_at", "at", "imported_at",
];

export class SessileError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "SessileError";
    this.code = code;
  }
  get isNotFound() {
    return NOT_FOUND.has(this.code);
  }
  get isConflict() {
    return CONFLICT.has(this.code);
  }
  get isBusy() {
    return this.code === "Busy";
  }
}

const camel = (key) => key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const snake = (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A row of the library as an object of JavaScript: keys in its spelling, times as `Date`. */
function row(given) {
  const made = {};
  for (const [key, value] of Object.entries(given)) {
    const isTime = typeof value === "string" && TIMES.includes(key);
    const time = isTime ? new Date(value) : undefined;
    made[camel(key)] = time && !Number.isNaN(time.getTime()) ? time : value;
  }
  return made;
}
const rows = (given) => given.map(row);

/** Options in the library's spelling; what is undefined is not said. */
function spelt(options) {
  const made = {};
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined) made[snake(key)] = value;
  }
  return made;
}

async function answered(promise) {
  const reply = JSON.parse(await promise);
  if ("ok" in reply) return reply.ok;
  throw new SessileError(reply.kind, reply.message);
}
const call = (native, method, params) => checked(() => answered(native.call(method, JSON.stringify(params))));

/** What goes over the border, or the error of the store for what does not fit there. */
async function checked(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SessileError) throw error;
    const refused = new SessileError("Argument", error.message);
    refused.cause = error;
    throw refused;
  }
}

/** A whole number that the other side can hold. */
function whole(value, most = Number.MAX_SAFE_INTEGER) {
  if (Number.isInteger(value) && 0 <= value && value <= most) return value;
  throw new SessileError("Argument", `${String(value)} is no whole number from 0 to ${most}`);
}

function lineOf(line) {
  if (typeof line !== "string") return Buffer.from(line);
  // A buffer would hold another character in the place of half a pair.
  if (!line.isWellFormed()) throw new SessileError("Argument", "a line holds half a surrogate pair");
  return Buffer.from(line);
}

/** What is made by the library, or what failed. */
async function made(promise) {
  const found = await promise;
  if (found.failure === null) return found;
  const { kind, message } = JSON.parse(found.failure);
  throw new SessileError(kind, message);
}

const keyOf = (session) => (session instanceof Session ? session.key : session);
const bytesOf = (value) => (value !== null && typeof value === "object" ? Buffer.from(value.hex, "hex") : value);
const sessionOf = (native, { key, format, session_id: id }) => new Session(native, key, format, id);

class Reader {
  constructor(native) {
    this._native = native;
  }
  _call(method, params = {}) {
    return call(this._native, method, params);
  }
  close() {
    this._native.close();
  }
  [Symbol.dispose ?? Symbol.for("dispose")]() {
    this.close();
  }
  async find(name) {
    return sessionOf(this._native, await this._call("find", { name }));
  }
  async get(sessionId) {
    const found = await this._call("find", { name: sessionId, exact: true });
    return found && sessionOf(this._native, found);
  }
  async session(key) {
    return sessionOf(this._native, await this._call("session", { session: key }));
  }
  sessions(options = {}) {
    return this._pages("sessions", options);
  }
  trash(options = {}) {
    return this._pages("trash", { archived: "included", ...options });
  }
  search(text, { session, ...options } = {}) {
    return this._pages("search", { text, session: keyOf(session), ...options });
  }
  async *_pages(method, { limit = Infinity, ...options }) {
    const params = spelt(options);
    if (typeof limit !== "number" || Number.isNaN(limit)) throw new SessileError("Argument", `limit: ${limit}`);
    for (let left = limit; 0 < left; ) {
      const page = await this._call(method, { ...params, limit: Math.min(left, 100) });
      yield* rows(page.rows);
      left -= page.rows.length;
      if (page.next === null) return;
      params.after = page.next;
    }
  }
  recentTree(options = {}) {
    return this._rows("recent_tree", spelt(options));
  }
  async remembered(workDir) {
    const found = await this._call("remembered", { work_dir: workDir });
    return found && sessionOf(this._native, found);
  }
  problems() {
    return this._rows("all_problems");
  }
  async _rows(method, params) {
    return rows(await this._call(method, params));
  }
  workDirs() {
    return this._call("work_dirs");
  }
  async stats() {
    return row(await this._call("stats"));
  }
}

export class Snapshot extends Reader {}

export class Watch {
  constructor(native) {
    this._native = native;
  }
  changed() {
    return answered(this._native.changed());
  }
  close() {
    this._native.close();
  }
  [Symbol.dispose ?? Symbol.for("dispose")]() {
    this.close();
  }
}

export class Store extends Reader {
  static async open(path, options = {}) {
    const opened = checked(() => made(Native.open(JSON.stringify(spelt({ path, ...options })))));
    return new Store((await opened).native);
  }
  async snapshot() {
    return new Snapshot((await made(this._native.snapshot())).native);
  }
  async earlier(session, generation) {
    const earlier = this._native.earlier(whole(keyOf(session)), whole(generation));
    return new Snapshot((await made(earlier)).native);
  }
  async watch() {
    return new Watch(await made(this._native.watch()));
  }
  async create(workDir, options = {}) {
    const params = spelt({ workDir: workDir ?? undefined, ...options });
    return sessionOf(this._native, await this._call("create", params));
  }
  async sessionFiles(path, { format = "claude" } = {}) {
    const found = await this._call("session_files", { path, format });
    return found.map((one) => ({ ...row(one), session: sessionOf(this._native, { ...one, format }) }));
  }
  async import(root, options = {}) {
    return row(await this._call("import", spelt({ root, ...options })));
  }
  async merge(other, options = {}) {
    const { kept, ...report } = row(await this._call("merge", spelt({ other, ...options })));
    return { ...report, kept: rows(kept) };
  }
  async export(target, { session, ...options } = {}) {
    const sessions = session === undefined ? undefined : [session].flat().map(keyOf);
    const { aside, ...report } = await this._call("export", spelt({ target, sessions, ...options }));
    return { ...report, aside: rows(aside) };
  }
  async query(sql, options = {}) {
    const { columns, rows } = await this._call("query", { sql, ...options });
    return rows.map((cells) => Object.fromEntries(cells.map((cell, n) => [columns[n], bytesOf(cell)])));
  }
  usage(options = {}) {
    return this._rows("usage_records", spelt(options));
  }
  async verify(root) {
    return row(await this._call("verify", { root }));
  }
  importedRoots() {
    return this._rows("imported_roots");
  }
  moveRoot(from, to) {
    return this._call("move_root", { old: from, new: to });
  }
  async forgetRoot(path) {
    const { root, traces } = await this._call("forget_root", { root: path });
    return { root: row(root), traces };
  }
  check() {
    return this._call("check");
  }
  foreignObjects() {
    return this._call("foreign_objects");
  }
  rebuild() {
    return this._call("rebuild");
  }
  prunable() {
    return this._call("prunable");
  }
  prune() {
    return this._call("prune");
  }
  seal({ sessions = [], ...options } = {}) {
    return this._call("seal", spelt({ sessions: sessions.map(keyOf), ...options }));
  }
  async backup(target) {
    await this._call("backup", { target });
  }
  relink(from, to, options = {}) {
    return this._call("relink", spelt({ old: from, new: to, ...options }));
  }
  archiveOlderThan(days, options = {}) {
    return this._call("archive_older_than", spelt({ days, ...options }));
  }
  purge(sessions) {
    return this._call("purge_all", { sessions: sessions.map(keyOf) });
  }
}

export class Session {
  constructor(native, key, format, id) {
    this._native = native;
    this.key = key;
    this.format = format;
    this.id = id;
  }
  _call(method, params = {}) {
    return call(this._native, method, { session: this.key, ...spelt(params) });
  }
  async _made(method, params) {
    return sessionOf(this._native, await this._call(method, params));
  }
  async info() {
    return row(await this._call("info"));
  }
  dump() {
    return this._call("dump");
  }
  async usage() {
    return row(await this._call("usage"));
  }
  problems() {
    return this._rows("problems");
  }
  async _rows(method, params) {
    return rows(await this._call(method, params));
  }
  uniqueName() {
    return this._call("unique_name");
  }
  generations() {
    return this._rows("generations");
  }
  context(entryId) {
    return this._call("context", { entryId });
  }
  async conversation(entryId) {
    const found = await this._rows("conversation", { entryId });
    return found.map(({ parts, ...said }) => ({ ...said, parts: rows(parts) }));
  }
  resultFile(callId, answer) {
    return this._call("result_file", { callId, answer });
  }
  lastMessages(limit) {
    return this._call("last_messages", { limit });
  }
  messagesOf(entryId) {
    return this._call("messages_of", { entryId });
  }
  textOf(entryId) {
    return this._call("text_of", { entryId });
  }
  markdown(options = {}) {
    return this._call("markdown", options);
  }
  async path(entryId, options = {}) {
    return rows(await this._call("path", { entryId, ...options }));
  }
  async entry(entryId) {
    const found = await this._call("entry", { entryId });
    return found && row(found);
  }
  async children(entryId) {
    return rows(await this._call("children", { entryId }));
  }
  async findEntry(name) {
    return row(await this._call("find_entry", { name }));
  }
  abandoned() {
    return this._rows("abandoned");
  }
  isOnPath(entryId) {
    return this._call("is_on_path", { entryId });
  }
  async commonAncestor(one, other) {
    const found = await this._call("common_ancestor", { one, other });
    return found && row(found);
  }
  treeRows() {
    return this._rows("tree_rows");
  }
  async roots() {
    return rows(await this._call("roots"));
  }
  async leaves() {
    return rows(await this._call("leaves"));
  }
  tree() {
    return this._call("tree");
  }
  async entriesAfter(line = 0, { limit = 100 } = {}) {
    return rows(await this._call("entries_after", { line, limit }));
  }
  async rewindPoints() {
    return rows(await this._call("rewind_points"));
  }
  async labels() {
    return rows(await this._call("labels"));
  }
  async turns() {
    return rows(await this._call("turns"));
  }
  records(after = 0, options = {}) {
    return this._call("records", { after, ...options });
  }
  async lines(after = 0) {
    return (await made(this._native.lines(this.key, whole(after, 2 ** 32 - 1)))).take();
  }
  async appendLines(lines) {
    return checked(() => answered(this._native.appendLines(this.key, Array.from(lines, lineOf))));
  }
  description() {
    return this._call("description");
  }
  appendRecords(records) {
    return this._call("append_records", { records });
  }
  append(message, options = {}) {
    return this._call("append_message", { message, ...options });
  }
  appendAll(messages, options = {}) {
    return this._call("append_messages", { messages, ...options });
  }
  pop() {
    return this._call("pop_message");
  }
  appendRecord(record, options = {}) {
    return this._call("append_record", { record, ...options });
  }
  compact(summary, options = {}) {
    return this._call("compact", { summary: summary ?? undefined, ...options });
  }
  appendBranchSummary(summary, options = {}) {
    return this._call("append_branch_summary", { summary, ...options });
  }
  async updateRuntime(options) {
    await this._call("update_runtime", options);
  }
  async branch(entryId, options = {}) {
    await this._call("branch", { entryId, ...options });
  }
  navigate(entryId, options = {}) {
    return this._call("navigate", { entryId, ...options });
  }
  clone(options = {}) {
    return this._made("clone", options);
  }
  fork(options = {}) {
    return this._made("fork", options);
  }
  async rename(name, options = {}) {
    await this._call("rename", { name, ...options });
  }
  async label(entryId, label, options = {}) {
    return (await this._call("append_label_change", { entryId, label, ...options })).is_known;
  }
  tag(...tags) {
    return this._call("tag_all", { tags });
  }
  untag(tag) {
    return this._call("untag", { tag });
  }
  clearTags() {
    return this._call("clear_tags");
  }
  async remember() {
    await this._call("remember");
  }
  tags() {
    return this._call("tags");
  }
  metadata() {
    return this._call("metadata");
  }
  setMetadata(values) {
    return this._call("set_metadata", { values });
  }
  removeMetadata(key) {
    return this._call("remove_metadata", { key });
  }
  async archive(options = {}) {
    await this._call("archive", options);
  }
  async unarchive(options = {}) {
    await this._call("unarchive", options);
  }
  async delete(options = {}) {
    await this._call("delete", options);
  }
  async restore(options = {}) {
    await this._call("restore", options);
  }
  deleteIfUnused() {
    return this._call("delete_if_unused");
  }
  purge() {
    return this._call("purge");
  }

  // What one format alone has.

  state() {
    return this._call("state");
  }
  async undoToTurn(turn, options = {}) {
    const { text, ...found } = await this._call("undo_to_turn", { turn, ...options });
    return { session: sessionOf(this._native, found), text };
  }
  appendEntry(type, fields = {}, options = {}) {
    return this._call("append_entry", { type, fields, ...options });
  }
  async appendSystemPromptSnapshot(content, options = {}) {
    return row(await this._call("append_system_prompt_snapshot", { content, ...options }));
  }
  systemPrompts() {
    return this._rows("system_prompts");
  }
  appendToolExecution(toolCall, content, options = {}) {
    return this._call("append_tool_execution", { toolCall, content, ...options });
  }
  async updateMemoryState(memories = [], options = {}) {
    await this._call("update_memory_state", { memories, ...options });
  }
  async memory() {
    return row(await this._call("memory"));
  }
}
