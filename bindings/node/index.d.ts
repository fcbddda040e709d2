/** The program whose session it is. */
export type Format = "kward" | "pi" | "kimi" | "claude" | "codex";
/** Which archived sessions a list or a search shows. */
export type Archived = "without" | "only" | "included";
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** A message as the session's format spells it; a JSON object. */
export type Message = { [key: string]: unknown };

export interface OpenOptions {
  /** Whether to make the database where there is none. Default: true. */
  create?: boolean;
  readOnly?: boolean;
  /** How many seconds a call waits for other writers. Default: 10. */
  busyTimeout?: number;
  poolSize?: number;
  /** With "normal" a power cut may cost the last moments, and appends are quicker. */
  durability?: "full" | "normal";
}

/** A call failed; nothing was written, unless its code is `CommitUnknown`. */
export declare class SessileError extends Error {
  /** The name of the library's error, such as `LeafMoved`. */
  readonly code: string;
  /** What was named is not there. */
  readonly isNotFound: boolean;
  /** Somebody was there first: read again, and decide anew. */
  readonly isConflict: boolean;
  /** Others were in the way: the same call may succeed later. */
  readonly isBusy: boolean;
}

export interface SessionRow {
  key: number;
  format: Format;
  /** The machine or person that it is of, where an import or a merge said so. */
  origin: string | null;
  sessionId: string | null;
  title: string | null;
  workDir: string | null;
  tags: string[];
  archivedAt: Date | null;
  modifiedAt: Date;
  messageCount: number;
  hasLosses: boolean;
}

export interface SessionInfo extends Omit<SessionRow, "tags" | "hasLosses"> {
  root: string;
  file: string;
  name: Json;
  provider: Json;
  model: Json;
  reasoningEffort: Json;
  parentSessionId: string | null;
  leaf: string | null;
  createdAt: Date;
  firstMessage: string;
  entryCount: number;
  trashedAt: Date | null;
}

export interface Entry {
  id: string;
  parentId: string | null;
  entryType: string;
  role: string | null;
  createdAt: Date | null;
  label: string | null;
  line: number;
}

export interface Hit {
  /** The key of its session. */
  session: number;
  sessionId: string | null;
  format: Format;
  title: string | null;
  workDir: string | null;
  file: string;
  entryId: string;
  line: number;
  role: string | null;
  at: Date | null;
  snippet: string;
}

export interface SessionFile {
  key: number;
  session: Session;
  /** The root that it was imported from; empty for the store's own. */
  root: string;
  /** Its path below the program's folder. */
  file: string;
  sessionId: string | null;
  modifiedAt: Date;
  trashedAt: Date | null;
  /** Where it changes, other lines may be in the file. */
  generation: number;
  lines: number;
}

/** Which sessions, by what is said of them. */
export interface OfSessions {
  /** The machine or person that they are of. */
  origin?: string;
  /** All of them. */
  tags?: string | string[];
  /** All of it. */
  metadata?: { [key: string]: unknown };
}

export interface ListOptions extends OfSessions {
  query?: string;
  workDir?: string;
  archived?: Archived;
  allSources?: boolean;
  limit?: number;
}

export interface SearchOptions extends OfSessions {
  regex?: boolean;
  fixed?: boolean;
  role?: string | string[];
  tool?: string | string[];
  model?: string;
  workDir?: string;
  format?: Format;
  since?: Date;
  until?: Date;
  session?: Session | number;
  archived?: Archived;
  activeBranch?: boolean;
  thinking?: boolean;
  tools?: boolean;
  rank?: boolean;
  limit?: number;
}

export interface UsageOptions extends OfSessions {
  since?: Date;
  until?: Date;
  workDir?: string;
  format?: Format;
}

export interface CreateOptions {
  format?: Format;
  id?: string;
  at?: Date;
  provider?: string;
  model?: string;
  reasoningEffort?: string;
  parentId?: string;
  parentPath?: string;
  record?: Message;
  /** Of Claude Code: where its file lies below the store's own root, in the place of work dir and id. */
  file?: string;
  messages?: Message[];
  records?: object[];
}

export interface TreeNode extends SessionRow {
  depth: number;
  isLast: boolean;
  ancestorContinues: boolean[];
}

export interface Usage {
  provider: string | null;
  model: string | null;
  input: number | null;
  output: number | null;
  cacheRead: number | null;
  cacheWrite: number | null;
  totalTokens: number | null;
  cost: number | null;
}

export interface UsageRecord extends Usage {
  /** The key of the session that counts it. */
  session: number;
  sessionId: string | null;
  format: Format;
  workDir: string | null;
  entryId: string;
  at: Date;
}

export interface Problem {
  root: string;
  file: string;
  sessionId: string | null;
  line: number | null;
  kind: string;
  detail: string;
}

export interface Generation {
  number: number;
  file: string;
  lines: number;
  /** How many of them the next one no longer had. */
  lost: number;
  readAt: Date;
}

/** What a message says, the same for every format. */
export type Part =
  | { kind: "text" | "thinking"; text: string }
  | { kind: "tool_call"; id: string; name: string; arguments: Json; label: string }
  | { kind: "tool_result"; callId: string; text: string }
  | { kind: "image"; mime: string; path: string }
  | { kind: "other"; type: string };

export interface Said {
  entryId: string;
  role: string;
  text: string;
  parts: Part[];
  /** As the session's format spells it. */
  message: Message;
}

export interface TreeRow {
  entryId: string;
  parentId: string | null;
  role: string;
  model: string | null;
  text: string;
  current: boolean;
  depth: number;
  isLast: boolean;
  ancestorContinues: boolean[];
  activePath: boolean;
  label: string | null;
  labelledAt: Json | Date;
  prefix: string;
}

export interface Prunable {
  root: string;
  file: string;
  generation: number;
  lines: number;
  bytes: number;
  lost: number;
}

export interface MergeReport {
  new: number;
  longer: number;
  united: number;
  unchanged: number;
  kept: Array<{ file: string; keptAs: string; generation: number | null }>;
  refused: Array<{ file: string; reason: string }>;
  purged: number;
  lines: number;
  events: number;
  /** Whether the store is another than before. */
  isChange: boolean;
}

export interface MergeOptions {
  /** The machine or person that sessions are of whose origin the other store does not say. */
  origin?: string;
}

export interface ImportOptions {
  format?: Format;
  /** The machine or person that the sessions are of, from now on. */
  origin?: string;
  dryRun?: boolean;
  /** Also files whose size and time are as they were. */
  reread?: boolean;
  /** Also what was purged here. */
  again?: boolean;
  /** Even if the disk seems too small. */
  ignoreSpace?: boolean;
}

export interface WriteOptions {
  /** The time of what is written. Default: now. */
  at?: Date;
}

export interface AppendOptions extends WriteOptions {
  id?: string;
  /** With another active entry nothing is written (`LeafMoved`); null: there is none. */
  expectLeaf?: string | null;
  /** Goes behind this entry, as a branch beside what came meanwhile. */
  parent?: string | null;
}

export interface ImportReport {
  root: string;
  new: number;
  grown: number;
  rewritten: number;
  moved: number;
  unchanged: number;
  missing: number;
  purged: number;
  sessions: number;
  lines: number;
  bytes: number;
  lost: Array<{ file: string; lines: number }>;
  problems: { [kind: string]: number };
}

/** What a store and one state of it both answer. */
declare class Reader {
  private constructor();
  /** Lets go of the database; what is called afterwards fails with `Closed`. */
  close(): void;
  /** The session of this id, of an id that begins so, or of this file. */
  find(name: string): Promise<Session>;
  /** The session of this whole id; null where there is none. */
  get(sessionId: string): Promise<Session | null>;
  /** The session of this key, as lists and hits give it. */
  session(key: number): Promise<Session>;
  /** Sessions, the newest first, a page at a time as they are asked for. */
  sessions(options?: ListOptions): AsyncGenerator<SessionRow, void, void>;
  /** The sessions in the trash, the newest first. */
  trash(options?: { limit?: number }): AsyncGenerator<SessionRow, void, void>;
  /** Entries by what they say: words, `"a phrase"`, `begin*`, `OR` and `NOT`. */
  search(text: string, options?: SearchOptions): AsyncGenerator<Hit, void, void>;
  /** As `sessions`, each under the one that it comes from. */
  recentTree(options?: ListOptions): Promise<TreeNode[]>;
  /** The session to go on with in a work dir, as `Session.remember` says. */
  remembered(workDir: string): Promise<Session | null>;
  /** What could not be understood. */
  problems(): Promise<Problem[]>;
  workDirs(): Promise<string[]>;
  stats(): Promise<{ [key: string]: unknown }>;
}

/** The store at one moment. It holds a connection of the store: close it soon. */
export declare class Snapshot extends Reader {}

/** Tells whether anything was written, by whomever. It holds a connection of its own. */
export declare class Watch {
  private constructor();
  /** Whether anything was committed since the last call, or since the watch began. */
  changed(): Promise<boolean>;
  close(): void;
}

/** A database of sessions. A call is one transaction, on a thread of the pool. */
export declare class Store extends Reader {
  /** Opens a database, which is made where there is none. */
  static open(path: string, options?: OpenOptions): Promise<Store>;
  /** Takes hold of the state that the database is in now. */
  snapshot(): Promise<Snapshot>;
  /** The state that a session was in before its file was rewritten at its root. */
  earlier(session: Session | number, generation: number): Promise<Snapshot>;
  /** Begins to watch the database; `Session.entriesAfter` then says what is new. */
  watch(): Promise<Watch>;
  /** Makes a session in this absolute work dir, with these messages or records if any. */
  create(workDir?: string | null, options?: CreateOptions): Promise<Session>;
  /**
   * The sessions whose file is at this path of the program's folder, or below it, of every
   * root; the store's own come first.
   */
  sessionFiles(path: string, options?: { format?: Format }): Promise<SessionFile[]>;
  /** Reads a root of session files, which is never written to; repeat it at any time. */
  import(root: string, options?: ImportOptions): Promise<ImportReport>;
  /** Takes in what another database has, or a folder of session files; never writes to it. */
  merge(other: string, options?: MergeOptions): Promise<MergeReport>;
  /** Writes every file, byte for byte, into a folder that is empty or not there. */
  export(
    target: string,
    options?: {
      session?: Session | number | Array<Session | number>;
      root?: string;
      sourceOnly?: boolean;
      damaged?: boolean;
    },
  ): Promise<{ files: number; bytes: number; aside: Array<{ root: string; file: string; writtenAs: string }> }>;
  /** The rows that a query in SQL gives, which only reads. */
  query(
    sql: string,
    options?: { limit?: number },
  ): Promise<Array<{ [column: string]: null | number | string | Buffer }>>;
  /** What each message reports of tokens and cost, once, whatever sessions hold it. */
  usage(options?: UsageOptions): Promise<UsageRecord[]>;
  /** Compares a root with what was imported from it. */
  verify(root: string): Promise<{
    files: number;
    bytes: number;
    purged: number;
    differences: Array<{ file: string; detail: string }>;
  }>;
  importedRoots(): Promise<
    Array<{ root: string; format: Format; files: number; sessions: number; changed: number; importedAt: Date | null }>
  >;
  /** Says that a root, or all below a folder, lie elsewhere now. */
  moveRoot(from: string, to: string): Promise<Array<{ from: string; to: string }>>;
  /** Removes a root with all its sessions. Null, or what may be left of their text in the files. */
  forgetRoot(root: string): Promise<string | null>;
  /** Proves the database; empty: it is sound. */
  check(): Promise<Array<{ place: string; detail: string }>>;
  /** What others put into the database. */
  foreignObjects(): Promise<Array<{ kind: string; name: string }>>;
  /** Folds every table again from the lines that are kept; how many sessions. */
  rebuild(): Promise<number>;
  /** What `prune` would remove. */
  prunable(): Promise<Prunable[]>;
  /** Removes what files held before they were rewritten at their root. */
  prune(): Promise<{ files: number; bytes: number; traces: string | null }>;
  /**
   * Packs the lines of these sessions, of those in the archive, and of those that were not used at a
   * time and since; every byte is given back as before.
   */
  seal(options?: {
    sessions?: Array<Session | number>;
    archived?: boolean;
    idleSince?: Date;
  }): Promise<{
    sessions: number;
    lines: number;
    /** Of these lines, */
    bytes: number;
    /** and what they take now. */
    packed: number;
    /** Null, or why the space is not given back yet. */
    traces: string | null;
  }>;
  /** Writes a consistent copy while others use the database; overwrites nothing. */
  backup(target: string): Promise<void>;
  /** Gives every session of a work dir a new one; how many. */
  relink(from: string, to: string, options?: WriteOptions): Promise<number>;
  archiveOlderThan(days: number, options?: WriteOptions): Promise<number>;
  /** Removes sessions for ever. Null, or what may be left of their text in the files. */
  purge(sessions: Array<Session | number>): Promise<string | null>;
}

/** A session, by its key: cheap to have, and good for as long as its store is open. */
export declare class Session {
  private constructor();
  readonly key: number;
  readonly format: Format;
  readonly id: string | null;

  info(): Promise<SessionInfo>;
  /** Everything that is known of it, as `sessile dump` prints it. */
  dump(): Promise<{ [key: string]: unknown }>;
  usage(): Promise<Usage>;
  problems(): Promise<Problem[]>;
  /** A name by which `Store.find` finds this session and no other. */
  uniqueName(): Promise<string>;
  /** What its files held before they were rewritten. */
  generations(): Promise<Generation[]>;

  /** The messages to go on with, on the active branch or on that of an entry. */
  context(entryId?: string): Promise<Message[]>;
  /** The messages of `context` with what they say, the same for every format. */
  conversation(entryId?: string): Promise<Said[]>;
  /** The messages of the last entries of the active branch. */
  lastMessages(limit: number): Promise<Message[]>;
  messagesOf(entryId: string): Promise<Message[]>;
  textOf(entryId: string): Promise<string>;
  /** The file of its own in which a program kept what a tool answered. */
  resultFile(callId: string, answer: string): Promise<{ path: string; text: string | null } | null>;
  markdown(options?: WriteOptions): Promise<string>;

  /** The entries from a root to one, or to the active one; with `limit` the last of them. */
  path(entryId?: string, options?: { limit?: number }): Promise<Entry[]>;
  entry(entryId: string): Promise<Entry | null>;
  /** The entry of this id, or of the one that begins so. */
  findEntry(name: string): Promise<Entry>;
  children(entryId: string): Promise<Entry[]>;
  roots(): Promise<Entry[]>;
  leaves(): Promise<Entry[]>;
  /** The ends of the branches that are not active. */
  abandoned(): Promise<Entry[]>;
  /** Whether an entry lies on the active branch. */
  isOnPath(entryId: string): Promise<boolean>;
  /** The last entry that the paths to two have in common. */
  commonAncestor(one: string, other: string): Promise<Entry | null>;
  /** The tree as rows to draw. */
  treeRows(): Promise<TreeRow[]>;
  tree(): Promise<Array<{ id: string; depth: number; children: string[] }>>;
  /** The entries behind a line: what was added since. */
  entriesAfter(line?: number, options?: { limit?: number }): Promise<Entry[]>;
  rewindPoints(): Promise<Array<{ entryId: string; preview: string; createdAt: Date | null }>>;
  labels(): Promise<Array<{ targetId: string; label: Json; labelledAt: Json | Date }>>;
  turns(): Promise<Array<{ index: number; text: string; createdAt: Date | null }>>;

  /** The lines of its file behind the first `after`, byte for byte, with their ends. */
  lines(after?: number): Promise<Buffer[]>;
  /** Adds lines as they are, all or none; of Claude Code, one whose `uuid` is there has that line's number. */
  appendLines(lines: Array<string | Uint8Array>): Promise<number[]>;
  /** The document beside its file that describes it, as of a sub-agent. */
  description(): Promise<{ [key: string]: unknown } | null>;
  /** The lines of its file as JSON, behind the first `after`, of at most `limit`; what is none is left out. */
  records(after?: number, options?: { limit?: number }): Promise<Array<{ [key: string]: unknown }>>;
  /** Adds whole lines, in the order of their keys, all or none; the number of each. */
  appendRecords(records: object[]): Promise<number[]>;
  /** Appends a message; the id of its entry. */
  append(message: Message, options?: AppendOptions): Promise<string>;
  /** Appends messages, each behind the one before, all or none. */
  appendAll(messages: Message[], options?: Omit<AppendOptions, "id">): Promise<string[]>;
  /** Goes back behind the last message and returns it; it stays in the tree. */
  pop(): Promise<Message | null>;
  appendRecord(record: Message, options?: WriteOptions): Promise<number>;
  /** Lets a summary, and what is kept, stand for everything before; or `record`, as the format spells it. */
  compact(
    summary: string | null,
    options?: WriteOptions & {
      keepFrom?: string;
      tokensBefore?: number;
      details?: { [key: string]: unknown };
      record?: Message;
      id?: string;
    },
  ): Promise<string>;
  appendBranchSummary(
    summary: string,
    options?: WriteOptions & { parentId?: string; fromId?: string; details?: Json },
  ): Promise<string>;
  updateRuntime(
    options: WriteOptions & { provider?: string; model?: string; reasoningEffort?: string },
  ): Promise<void>;
  /** Makes an entry the active one; null leaves every branch. */
  branch(entryId: string | null, options?: WriteOptions): Promise<void>;
  /** Goes to an entry, before it where it is a prompt, whose text is returned. */
  navigate(entryId: string, options?: WriteOptions): Promise<string>;
  clone(options?: WriteOptions & { id?: string }): Promise<Session>;
  fork(options?: WriteOptions & { entryId?: string; turn?: number; id?: string }): Promise<Session>;

  rename(name: string | null, options?: WriteOptions): Promise<void>;
  /** Labels an entry, or clears its label; whether there is such an entry. */
  label(entryId: string, label: string | null, options?: WriteOptions): Promise<boolean>;
  /** Files it under tags, all or none; whether any is new. */
  tag(...tags: string[]): Promise<boolean>;
  untag(tag: string): Promise<boolean>;
  clearTags(): Promise<boolean>;
  /** Makes it the one to go on with in its work dir. */
  remember(): Promise<void>;
  tags(): Promise<string[]>;
  metadata(): Promise<{ [key: string]: Json }>;
  setMetadata(values: { [key: string]: unknown }): Promise<boolean>;
  removeMetadata(key: string): Promise<boolean>;

  archive(options?: WriteOptions): Promise<void>;
  unarchive(options?: WriteOptions): Promise<void>;
  delete(options?: WriteOptions): Promise<void>;
  restore(options?: WriteOptions): Promise<void>;
  /** Puts it into the trash where it has no messages; whether it did. */
  deleteIfUnused(): Promise<boolean>;
  /** Removes it for ever. Null, or what may be left of its text in the files. */
  purge(): Promise<string | null>;

  /** Of Kimi: the state that it keeps beside its messages. Of other formats, `Unsupported`; so below. */
  state(): Promise<{ [key: string]: unknown }>;
  /** Of Kimi: makes a session of what came before a turn; with the turn's text. */
  undoToTurn(turn: number, options?: WriteOptions & { id?: string }): Promise<{ session: Session; text: string }>;
  /** Of pi: adds an entry of any type by its own keys; its id. */
  appendEntry(type: string, fields?: Message, options?: WriteOptions & { id?: string }): Promise<string>;
  /** Of Kward: keeps a system prompt. */
  appendSystemPromptSnapshot(
    content: string,
    options?: WriteOptions & { reason?: string },
  ): Promise<{ hash: string; isWritten: boolean }>;
  /** Of Kward: the system prompts that were kept; the last one holds. */
  systemPrompts(): Promise<Array<{ content: string; reason: string; hash: string; createdAt: Date | null }>>;
  /** Of Kward: keeps what a tool call gave; the record as written. */
  appendToolExecution(toolCall: Message, content: string, options?: WriteOptions): Promise<Message>;
  /** Of Kward: keeps the state of a memory. */
  updateMemoryState(memories?: Json[], options?: WriteOptions & { lastRetrieval?: Json }): Promise<void>;
  memory(): Promise<{ memories: Json[]; lastRetrieval: Json }>;
}
