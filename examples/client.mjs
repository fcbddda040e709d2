// Drives `sessile rpc`: node examples/client.mjs [PROGRAM [DATABASE]]

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

class Sessile {
  #waiting = [];

  constructor(program = "sessile", db = "sessions.db") {
    this.process = spawn(program, ["rpc", "--db", db], { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      const { result, error } = JSON.parse(line);
      const { resolve, reject } = this.#waiting.shift();
      error ? reject(new Error(error.message)) : resolve(result);
    });
  }

  // Replies come in the order of the requests.
  call(method, params) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.process.stdin.write(JSON.stringify({ jsonrpc: "2.0", id: 0, method, params }) + "\n");
    });
  }

  close() {
    this.process.stdin.end();
  }
}

const [program, db] = process.argv.slice(2);
const store = new Sessile(program, db);
const { session_id: session } = await store.call("create", { cwd: "/tmp/project", model: "echo" });
const ask = (content) => store.call("append_message", { session, message: { role: "user", content } });
const { entry_id: question } = await ask("Why?");
await store.call("append_message", { session, message: { role: "assistant", content: "Why not?" } });
await store.call("branch", { session, entry_id: question });
await store.call("append_message", {
  session,
  message: { role: "assistant", content: "Because." },
  expect_leaf: question,
});
console.log(await store.call("markdown", { session }));
store.close();
