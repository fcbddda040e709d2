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

export interface ListOptions {
  query?: string;
  workDir?: string;
  tags?: string[];
  metadata?: { [key: string]: unknown };
  archived?: Archived;
  allSources?: boolean;
  limit?: number;
}

export interface SearchOptions {
  regex?: boolean;
  fixed?: boolean;
  role?: string | string[];
  tool?: string | string[];
  model?: string;
  workDir?: string;
  format?: Format;
  tag?: string | string[];
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
  workDirs(): Promise<string[]>;
  stats(): Promise<{ [key: string]: unknown }>;
}

/** The store at one moment. It holds a connection of the store: close it soon. */
export declare class Snapshot extends Reader {}

/** A database of sessions. A call is one transaction, on a thread of the pool. */
export declare class Store extends Reader {
  /** Opens a database, which is made where there is none. */
  static open(path: string, options?: OpenOptions): Promise<Store>;
  /** Takes hold of the state that the database is in now. */
  snapshot(): Promise<Snapshot>;
  /** Makes a session in this absolute work dir, with these messages or records if any. */
  create(workDir?: string | null, options?: CreateOptions): Promise<Session>;
  /**
   * The sessions whose file is at this path of the program's folder, or below it, of every
   * root; the store's own come first.
   */
  sessionFiles(path: string, options?: { format?: Format }): Promise<SessionFile[]>;
  /** Reads a root of session files, which is never written to; repeat it at any time. */
  import(root: string, options?: { format?: Format; dryRun?: boolean }): Promise<ImportReport>;
  /** Writes every file, byte for byte, into a folder that is empty or not there. */
  export(
    target: string,
    options?: { session?: Session | number; root?: string; sourceOnly?: boolean; damaged?: boolean },
  ): Promise<{ files: number; bytes: number; aside: Array<{ root: string; file: string; written_as: string }> }>;
  /** Compares a root with what was imported from it. */
  verify(root: string): Promise<{
    files: number;
    bytes: number;
    purged: number;
    differences: Array<{ file: string; detail: string }>;
  }>;
  importedRoots(): Promise<Array<{ [key: string]: unknown }>>;
  /** Proves the database; empty: it is sound. */
  check(): Promise<Array<{ place: string; detail: string }>>;
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
  usage(): Promise<{ [key: string]: unknown }>;
  problems(): Promise<Array<{ [key: string]: unknown }>>;

  /** The messages to go on with, on the active branch or on that of an entry. */
  context(entryId?: string): Promise<Message[]>;
  /** The messages of the last entries of the active branch. */
  lastMessages(limit: number): Promise<Message[]>;
  messagesOf(entryId: string): Promise<Message[]>;
  textOf(entryId: string): Promise<string>;
  markdown(options?: WriteOptions): Promise<string>;

  /** The entries from a root to one, or to the active one; with `limit` the last of them. */
  path(entryId?: string, options?: { limit?: number }): Promise<Entry[]>;
  entry(entryId: string): Promise<Entry | null>;
  children(entryId: string): Promise<Entry[]>;
  roots(): Promise<Entry[]>;
  leaves(): Promise<Entry[]>;
  tree(): Promise<Array<{ id: string; depth: number; children: string[] }>>;
  /** The entries behind a line: what was added since. */
  entriesAfter(line?: number, options?: { limit?: number }): Promise<Entry[]>;
  rewindPoints(): Promise<Array<{ entryId: string; preview: string; createdAt: Date | null }>>;
  labels(): Promise<Array<{ targetId: string; label: Json; labelledAt: Json | Date }>>;
  turns(): Promise<Array<{ index: number; text: string; createdAt: Date | null }>>;

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
  compact(summary: string, options?: WriteOptions & { keepFrom?: string; tokensBefore?: number }): Promise<string>;
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
  tag(tag: string): Promise<void>;
  untag(tag: string): Promise<void>;
  tags(): Promise<string[]>;
  metadata(): Promise<{ [key: string]: Json }>;
  setMetadata(values: { [key: string]: unknown }): Promise<boolean>;
  removeMetadata(key: string): Promise<boolean>;

  archive(options?: WriteOptions): Promise<void>;
  unarchive(options?: WriteOptions): Promise<void>;
  delete(options?: WriteOptions): Promise<void>;
  restore(options?: WriteOptions): Promise<void>;
  /** Removes it for ever. Null, or what may be left of its text in the files. */
  purge(): Promise<string | null>;
}
