// What the types promise; it is checked, and never run.
import type { Options, SessionStore } from "@anthropic-ai/claude-agent-sdk";
import { SessileError, Store, type Hit, type Session } from "../index.js";
import { SessileSessionStore } from "../claude.js";

const adapter: SessionStore = new SessileSessionStore("agents.db", { durability: "normal" });
export const options: Options = { sessionStore: adapter };

export async function use(): Promise<Hit[]> {
  const store: Store = await Store.open("agents.db");
  const session: Session = await store.create("/w", { format: "pi", at: new Date() });
  const id: string = await session.append({ role: "user", content: "x" }, { expectLeaf: null });
  const hits: Hit[] = [];
  for await (const hit of store.search("leaf", { session, role: ["user"] })) hits.push(hit);
  const entry = await session.entry(id);
  const time: Date | null | undefined = entry?.createdAt;
  // @ts-expect-error: there is no such format
  await store.create("/w", { format: "other" });
  // @ts-expect-error: a session is made by a store
  new Session(1);
  try {
    await store.find("x");
  } catch (error) {
    if (error instanceof SessileError && error.isNotFound) return [];
  }
  return time ? hits : [];
}
