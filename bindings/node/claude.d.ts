import type { SessionKey, SessionStore, SessionStoreEntry, SessionSummaryEntry } from "@anthropic-ai/claude-agent-sdk";
import type { OpenOptions, Store } from "./index.js";

/**
 * A store behind the Claude Agent SDK: `query({ prompt, options: { sessionStore } })`.
 *
 * What was imported of a Claude Code folder is there, too, and is gone on with in its place.
 * An append is one transaction, which skips an entry whose `uuid` is there already.
 * Deleting is for good.
 */
export declare class SessileSessionStore implements SessionStore {
  constructor(path: string, options?: OpenOptions);
  /** The store, which is opened when it is first used. */
  store(): Promise<Store>;
  /** Waits for what is being written, and lets go of the database. */
  close(): Promise<void>;
  append(key: SessionKey, entries: SessionStoreEntry[]): Promise<void>;
  load(key: SessionKey): Promise<SessionStoreEntry[] | null>;
  listSessions(projectKey: string): Promise<Array<{ sessionId: string; mtime: number }>>;
  listSessionSummaries(projectKey: string): Promise<SessionSummaryEntry[]>;
  delete(key: SessionKey): Promise<void>;
  listSubkeys(key: { projectKey: string; sessionId: string }): Promise<string[]>;
}
