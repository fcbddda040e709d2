// What tests share: a store of its own for each.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SessileError, Store } from "../index.js";

/** A test with a store of its own, which is sound at the end. */
export function of(name, body) {
  test(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), "sessile-"));
    const path = join(folder, "a.db");
    const store = await Store.open(path);
    try {
      await body(store, folder);
      const after = await Store.open(path); // the test may have closed it
      assert.deepEqual(await after.check(), []);
      after.close();
    } finally {
      store.close();
      rmSync(folder, { recursive: true });
    }
  });
}

export const said = (role, content, more) => ({ role, content, ...more });
export const failed = (code) => (error) => error instanceof SessileError && error.code === code;
