/** The program whose session it is. */
export type Format = "kward" | "pi" | "kimi" | "claude" | "codex";
/** Which archived sessions a list or a search shows. */
export type Archived = "without" | "only" | "included";
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** A message in the session's format; a JSON object. */
export type Message = { [key: string]: unknown };

export interface OpenOptions {
  /** Whether to create the database if there is none. Default: true. */
  create?: boolean;
  readOnly?: boolean;
  /** How many seconds a call waits for other writers. Default: 10. */
  busyTimeout?: number;
  poolSize?: number;
  /** With "normal" a power cut may lose the last transactions, and appends are faster. */
  durability?: "full" | "normal";
}

/** A call failed; nothing was written, unless its code is `CommitUnknown`. */
export declare class SessileError extends Error {
  /** The name of the library's error, such as `LeafMoved`. */
  readonly code: string;
  /** There is nothing of the given name. */
  readonly isNotFound: boolean;
  /** Another writer came first: read again, and decide anew. */
  readonly isConflict: boolean;
  /** Others held the database: the same call may succeed later. */
  readonly isBusy: boolean;
}

export interface SessionRow {
  key: number;
  format: Format;
  /** The machine or person that it comes from, if an import or a merge named one. */
  origin: string | null;
  sessionId: string | null;
  title: string | null;
  workDir: string | null;
  tags: string[];
  archivedAt: Date | null;
  modifiedAt: Date;
  messageCount: number;
  hasLosses: boolean;
  /** Whether it was continued here since its file was last read. */
  isContinuedHere: boolean;
  /** Whether its file is gone from its root. */
  isAbsent: boolean;
  /** Whether its path at the root now belongs to another session. */
  isShadowed: boolean;
}

export interface SessionInfo extends Omit<SessionRow, "tags" | "hasLosses" | "isContinuedHere" | "isAbsent" | "isShadowed"> {
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
  /** If it changes, the lines of the file may be others. */
  generation: number;
  lines: number;
}

/** Filters for sessions. */
export interface OfSessions {
  /** Only sessions of this machine or person. */
  origin?: string;
  /** Only sessions with all of these. */
  tags?: string | string[];
  /** Only sessions with all of these values. */
  metadata?: { [key: string]: unknown };
}

export interface ListOptions extends OfSessions {
  query?: string;
  workDir?: string;
  format?: Format;
  /** Last active at this time or later. */
  since?: Date;
  /** Last active at this time or earlier. */
  until?: Date;
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
  /** Claude Code: the path of its file below the store's own root, instead of work dir and id. */
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
  /** How many of these the next generation no longer has. */
  lost: number;
  readAt: Date;
}

/** The content of a message, in a form common to all formats. */
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
  /** In the session's format. */
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

export interface ImportedRoot {
  root: string;
  format: Format;
  /** The machine or person that its sessions come from. */
  origin: string | null;
  files: number;
  sessions: number;
  changed: number;
  importedAt: Date | null;
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
  /** Whether the merge changed the store. */
  isChange: boolean;
}

export interface MergeOptions {
  /** The machine or person for sessions without an origin in the other store. */
  origin?: string;
}

export interface ImportOptions {
  format?: Format;
  /** The machine or person that the sessions come from, from now on. */
  origin?: string;
  dryRun?: boolean;
  /** Also read files whose size and time are unchanged. */
  reread?: boolean;
  /** Also import what was purged here. */
  again?: boolean;
  /** Start even if the disk seems too small. */
  ignoreSpace?: boolean;
}

export interface WriteOptions {
  /** The time of what is written. Default: now. */
  at?: Date;
}

export interface AppendOptions extends WriteOptions {
  id?: string;
  /** The expected active entry, null for none; if it is another, nothing is written (`LeafMoved`). */
  expectLeaf?: string | null;
  /** Append to this entry, as a branch if others have appended meanwhile. */
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
  lost: Array<{ file: string; cause: string; generation: number; lines: number }>;
  problems: { [kind: string]: number };
}

/** The reading methods of a store and of a snapshot. */
declare class Reader {
  private constructor();
  /** Closes the database; later calls fail with `Closed`. */
  close(): void;
  /** Finds a session by its id, a prefix of it, or its file. */
  find(name: string): Promise<Session>;
  /** The session with this full id; null if there is none. */
  get(sessionId: string): Promise<Session | null>;
  /** The session with this key, as in lists and hits. */
  session(key: number): Promise<Session>;
  /** Sessions, newest first, read page by page on demand. */
  sessions(options?: ListOptions): AsyncGenerator<SessionRow, void, void>;
  /** The sessions in the trash, newest first. */
  trash(options?: { limit?: number }): AsyncGenerator<SessionRow, void, void>;
  /** Finds entries by their text: words, `"a phrase"`, `begin*`, `OR` and `NOT`. */
  search(text: string, options?: SearchOptions): AsyncGenerator<Hit, void, void>;
  /** As `sessions`, each under its parent. */
  recentTree(options?: ListOptions): Promise<TreeNode[]>;
  /** The session used last in a work dir, see `Session.remember`. */
  remembered(workDir: string): Promise<Session | null>;
  /** What could not be understood. */
  problems(): Promise<Problem[]>;
  workDirs(): Promise<string[]>;
  stats(): Promise<{ [key: string]: unknown }>;
}

/** The store at one moment. It holds one of the store's connections, so close it soon. */
export declare class Snapshot extends Reader {}

/** Detects that anything was written, by anyone. It holds a connection of its own. */
export declare class Watch {
  private constructor();
  /** Whether anything was committed since the last call, or since the watch began. */
  changed(): Promise<boolean>;
  close(): void;
}

/** A database of sessions. A call is one transaction, on a thread of the pool. */
export declare class Store extends Reader {
  /** Opens a database, which is created if there is none. */
  static open(path: string, options?: OpenOptions): Promise<Store>;
  /** A snapshot of the present state. */
  snapshot(): Promise<Snapshot>;
  /** The state that a session was in before its file was rewritten at its root. */
  earlier(session: Session | number, generation: number): Promise<Snapshot>;
  /** Begins to watch the database; `Session.entriesAfter` returns what is new. */
  watch(): Promise<Watch>;
  /** Creates a session in this absolute work dir, with messages or records if given. */
  create(workDir?: string | null, options?: CreateOptions): Promise<Session>;
  /**
   * The sessions whose file has this path in the program's folder, or is below it, in every
   * root; the store's own come first.
   */
  sessionFiles(path: string, options?: { format?: Format }): Promise<SessionFile[]>;
  /** Imports a root of session files, which is never written to; repeat it at any time. */
  import(root: string, options?: ImportOptions): Promise<ImportReport>;
  /** Merges another database, or a folder of session files; never writes to it. */
  merge(other: string, options?: MergeOptions): Promise<MergeReport>;
  /** Writes every file, byte for byte, into a folder that is empty or does not exist. */
  export(
    target: string,
    options?: {
      session?: Session | number | Array<Session | number>;
      root?: string;
      sourceOnly?: boolean;
      damaged?: boolean;
    },
  ): Promise<{ files: number; bytes: number; aside: Array<{ root: string; file: string; writtenAs: string }> }>;
  /** The rows of a read-only SQL query. */
  query(
    sql: string,
    options?: { limit?: number },
  ): Promise<Array<{ [column: string]: null | number | string | Buffer }>>;
  /** The tokens and cost that messages report, each message once. */
  usage(options?: UsageOptions): Promise<UsageRecord[]>;
  /** Compares a root with what was imported from it. */
  verify(root: string): Promise<{
    files: number;
    folders: number;
    bytes: number;
    purged: number;
    differences: Array<{ file: string; detail: string }>;
  }>;
  importedRoots(): Promise<ImportedRoot[]>;
  /** Changes the path of a root, or of all roots below a folder. */
  moveRoot(from: string, to: string): Promise<Array<{ from: string; to: string }>>;
  /** Removes a root with all its sessions; `traces` is null, or what may be left of its text in the files. */
  forgetRoot(root: string): Promise<{ root: ImportedRoot; traces: string | null }>;
  /** Checks the database; empty if nothing is wrong. */
  check(): Promise<Array<{ place: string; detail: string }>>;
  /** What others put into the database. */
  foreignObjects(): Promise<Array<{ kind: string; name: string }>>;
  /** Folds every table again from the log; returns the number of sessions. */
  rebuild(): Promise<number>;
  /** What `prune` would remove. */
  prunable(): Promise<Prunable[]>;
  /** Removes earlier generations of files. */
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
    /** Bytes of these lines. */
    bytes: number;
    /** Bytes that they take now. */
    packed: number;
    /** Null, or why the space was not returned yet. */
    traces: string | null;
  }>;
  /** Writes a consistent copy while others use the database; overwrites nothing. */
  backup(target: string): Promise<void>;
  /** Changes the work dir of every session in it; returns how many. */
  relink(from: string, to: string, options?: WriteOptions): Promise<number>;
  archiveOlderThan(days: number, options?: WriteOptions): Promise<number>;
  /** Deletes sessions for good. Returns null, or what may be left of their text in the files. */
  purge(sessions: Array<Session | number>): Promise<string | null>;
}

/** A handle to a session: cheap, and valid as long as its store is open. */
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
  /** Earlier generations of its files. */
  generations(): Promise<Generation[]>;

  /** The messages that the program would continue with, on the active branch or on that of an entry. */
  context(entryId?: string): Promise<Message[]>;
  /** The messages of `context` with their content, in a form common to all formats. */
  conversation(entryId?: string): Promise<Said[]>;
  /** The messages of the last entries of the active branch. */
  lastMessages(limit: number): Promise<Message[]>;
  messagesOf(entryId: string): Promise<Message[]>;
  textOf(entryId: string): Promise<string>;
  /** The file in which a program stored a long answer of a tool. */
  resultFile(callId: string, answer: string): Promise<{ path: string; text: string | null } | null>;
  markdown(options?: WriteOptions): Promise<string>;

  /** The entries from a root to an entry, by default the active one; with `limit`, the last of them. */
  path(entryId?: string, options?: { limit?: number }): Promise<Entry[]>;
  entry(entryId: string): Promise<Entry | null>;
  /** Finds an entry by its id, or a prefix of it. */
  findEntry(name: string): Promise<Entry>;
  children(entryId: string): Promise<Entry[]>;
  roots(): Promise<Entry[]>;
  leaves(): Promise<Entry[]>;
  /** The ends of the branches that are not active. */
  abandoned(): Promise<Entry[]>;
  /** Whether an entry is on the active branch. */
  isOnPath(entryId: string): Promise<boolean>;
  /** The last entry that the paths to two entries have in common. */
  commonAncestor(one: string, other: string): Promise<Entry | null>;
  /** The tree as rows to draw. */
  treeRows(): Promise<TreeRow[]>;
  tree(): Promise<Array<{ id: string; depth: number; children: string[] }>>;
  /** The entries after a line: what was added since. */
  entriesAfter(line?: number, options?: { limit?: number }): Promise<Entry[]>;
  rewindPoints(): Promise<Array<{ entryId: string; preview: string; createdAt: Date | null }>>;
  labels(): Promise<Array<{ targetId: string; label: Json; labelledAt: Json | Date }>>;
  turns(): Promise<Array<{ index: number; text: string; createdAt: Date | null }>>;

  /** The lines of its file after the first `after`, byte for byte, with their terminators. */
  lines(after?: number): Promise<Buffer[]>;
  /** Appends raw lines, all or none; for Claude Code, a line whose `uuid` exists is not appended again. */
  appendLines(lines: Array<string | Uint8Array>): Promise<number[]>;
  /** The document beside its file that describes it, for example for a sub-agent. */
  description(): Promise<{ [key: string]: unknown } | null>;
  /** The lines of its file as JSON, after the first `after`, at most `limit`; lines that are not JSON are left out. */
  records(after?: number, options?: { limit?: number }): Promise<Array<{ [key: string]: unknown }>>;
  /** Appends records as lines, keeping the order of keys, all or none; returns the number of each. */
  appendRecords(records: object[]): Promise<number[]>;
  /** Appends a message; returns the id of its entry. */
  append(message: Message, options?: AppendOptions): Promise<string>;
  /** Appends messages, each after the one before, all or none. */
  appendAll(messages: Message[], options?: Omit<AppendOptions, "id">): Promise<string[]>;
  /** Makes the entry before the last message active, and returns the message, which stays in the tree. */
  pop(): Promise<Message | null>;
  appendRecord(record: Message, options?: WriteOptions): Promise<number>;
  /** Appends a compaction: a summary, and what is kept, replace everything before; or `record`, in the format's own keys. */
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
  /** Makes an entry active; for a prompt, the entry before it, and returns the prompt's text. */
  navigate(entryId: string, options?: WriteOptions): Promise<string>;
  clone(options?: WriteOptions & { id?: string }): Promise<Session>;
  fork(options?: WriteOptions & { entryId?: string; turn?: number; id?: string }): Promise<Session>;

  rename(name: string | null, options?: WriteOptions): Promise<void>;
  /** Labels an entry, or clears its label; returns whether there is such an entry. */
  label(entryId: string, label: string | null, options?: WriteOptions): Promise<boolean>;
  /** Adds tags, all or none; returns whether any is new. */
  tag(...tags: string[]): Promise<boolean>;
  untag(tag: string): Promise<boolean>;
  clearTags(): Promise<boolean>;
  /** Remembers it as the one used last in its work dir. */
  remember(): Promise<void>;
  tags(): Promise<string[]>;
  metadata(): Promise<{ [key: string]: Json }>;
  setMetadata(values: { [key: string]: unknown }): Promise<boolean>;
  removeMetadata(key: string): Promise<boolean>;

  archive(options?: WriteOptions): Promise<void>;
  unarchive(options?: WriteOptions): Promise<void>;
  delete(options?: WriteOptions): Promise<void>;
  restore(options?: WriteOptions): Promise<void>;
  /** Moves it to the trash if it was never used; returns whether it did. */
  deleteIfUnused(): Promise<boolean>;
  /** Deletes it for good. Returns null, or what may be left of its text in the files. */
  purge(): Promise<string | null>;

  /** Kimi only (`Unsupported` for other formats, as below): the state of the session. */
  state(): Promise<{ [key: string]: unknown }>;
  /** Kimi only: creates a session from what came before a turn; returns it with the turn's text. */
  undoToTurn(turn: number, options?: WriteOptions & { id?: string }): Promise<{ session: Session; text: string }>;
  /** pi only: appends an entry of any type with its own keys; returns its id. */
  appendEntry(type: string, fields?: Message, options?: WriteOptions & { id?: string }): Promise<string>;
  /** Kward only: records the system prompt. */
  appendSystemPromptSnapshot(
    content: string,
    options?: WriteOptions & { reason?: string },
  ): Promise<{ hash: string; isWritten: boolean }>;
  /** Kward only: the recorded system prompts; the last one is in effect. */
  systemPrompts(): Promise<Array<{ content: string; reason: string; hash: string; createdAt: Date | null }>>;
  /** Kward only: records a tool call and its result; returns the record. */
  appendToolExecution(toolCall: Message, content: string, options?: WriteOptions): Promise<Message>;
  /** Kward only: records the state of the memory. */
  updateMemoryState(memories?: Json[], options?: WriteOptions & { lastRetrieval?: Json }): Promise<void>;
  memory(): Promise<{ memories: Json[]; lastRetrieval: Json }>;
}
