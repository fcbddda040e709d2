// Where a transcript of the Claude Agent SDK lies in the folder of Claude Code, and its name there.
import { createHash } from "node:crypto";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const AGENT = /^subagents\/([^/]+\/)*agent-[^/]+$/;
// Ends the file of what has a name that no file of Claude Code has.
const MADE = /[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NAME = /^(?!\.\.?$)[ -.0-~]{1,240}$/;
export const NAMES = "claude_agent_sdk.names";

/** A UUID of version 5, of the namespace of object identifiers: as Python makes it. */
function made(name) {
  const hash = createHash("sha1").update(Buffer.from("6ba7b8129dad11d180b400c04fd430c8", "hex")).update(name);
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export const folderOf = (projectKey) => `projects/${NAME.test(projectKey) ? projectKey : made(projectKey)}`;

/** Where the transcript of a key lies, without the end of its name. */
export function placeOf({ projectKey, sessionId, subpath }) {
  const place = `${folderOf(projectKey)}/${UUID.test(sessionId) ? sessionId : made(sessionId)}`;
  if (subpath === undefined) return place;
  const fits = AGENT.test(subpath) && subpath.split("/").every((name) => NAME.test(name));
  return `${place}/${fits ? subpath : `subagents/agent-${made(subpath)}`}`;
}

/** Of one place: first what is not in the trash, then the store's own, then what was used last. */
export function byRank(one, other) {
  const rank = ({ trashedAt, root, modifiedAt }) => [trashedAt !== null, root !== "", -modifiedAt.getTime()];
  const [ours, theirs] = [rank(one), rank(other)];
  const at = ours.findIndex((value, n) => value !== theirs[n]);
  return at < 0 ? 0 : ours[at] - theirs[at];
}

/** The entries among the lines of a file, which may hold anything. */
export const objects = (records) => records.filter((one) => one !== null && typeof one === "object" && !Array.isArray(one));

/** Whether a place is made of names that no file of Claude Code has. */
export const isMade = (place) => MADE.test(place);

/**
 * What the SDK calls the transcript of a file below a folder; null for what is none of its own.
 *
 * A folder holds files of other programs, and those of sub-agents of old releases.
 */
export async function nameOf({ file, session }, folder, field) {
  const name = file.slice(folder.length + 1, -".jsonl".length);
  if (field === "session_id" && !UUID.test(name)) return null;
  return (isMade(name) ? (await session.metadata())[NAMES]?.[field] : undefined) ?? name;
}
