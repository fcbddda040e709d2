#!/usr/bin/env node
// The pages in a real browser: a fork is clicked, a tool unfolded, a search gone through, a live
// append followed; and nothing of a log runs.
//
// usage: browser.mjs SESSILE [SCREENSHOTS]
//
// SESSILE is the program; into the folder SCREENSHOTS go pictures of each page, 390, 800 and 1,400
// pixels wide, light and dark. Chromium is driven through a pipe, without any package. Where there
// is no Chromium, that is said and nothing is tested.

import assert from 'node:assert/strict';
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [sessile, pictures] = process.argv.slice(2);
if (!sessile) {
  console.error('usage: browser.mjs SESSILE [SCREENSHOTS]');
  process.exit(2);
}
const program = ['chromium', 'chromium-browser', 'google-chrome']
  .find(name => spawnSync(name, ['--version']).status === 0);
if (!program) {
  console.error('skipped: no Chromium is installed');
  process.exit(0);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sessile-browser-'));
const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  // A browser that was killed may still write for a moment.
  fs.rmSync(folder, {recursive: true, force: true, maxRetries: 20, retryDelay: 100});
});

/* A store with one session that has all that a page shows, and one to go on with. */
const HOSTILE = '</pre></script><script>window.hit=1</script><img src=x onerror="window.hit=1"><svg onload=window.hit=1> javascript:window.hit=1 \u202e';
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAG0lEQVR42mNwAIL/QACjGcgQQOaAaHIEBok7AMH8n4EdF7Z/AAAAAElFTkSuQmCC';
const line = object => JSON.stringify(object) + '\n';
const entry = (n, parentId, message) => line({
  type: 'message', id: `entry${String(n).padStart(3, '0')}`, parentId, message,
  timestamp: new Date(Date.UTC(2026, 4, 1, 9, 0, 7 * n)).toISOString(),
});
const id = n => `entry${String(n).padStart(3, '0')}`;
const usage = {input: 1834, output: 212, cacheRead: 40960, cacheWrite: 0, totalTokens: 43006, cost: {total: 0.0213}};
const said = text => [{type: 'text', text}];
function store(db) {
  const root = path.join(folder, 'root');
  const sessions = path.join(root, 'sessions', '--home-ada-parser--');
  fs.mkdirSync(sessions, {recursive: true});
  let n = 0, last = null, text = line({type: 'session', version: 3, id: '0199a000-0000-7000-8000-000000000001', timestamp: '2026-05-01T09:00:00.000Z', cwd: '/home/ada/parser'});
  const add = (message, parent = last) => { text += entry(++n, parent, message); last = id(n); return last; };
  const asked = ['The parser drops the last token of a file without a newline. Why?', 'Mend it in the lexer, please, and add a test beside the others of this folder', 'Do all tests pass?', `Is this ${HOSTILE} shown as text?`];
  for (let turn = 0; turn < 12; turn++) {
    const prompt = add({role: 'user', content: said(asked[turn % 4])});
    add({role: 'assistant', model: 'claude-sonnet-4-5', provider: 'anthropic', usage, stopReason: 'toolUse', content: [
      {type: 'thinking', thinking: 'The lexer emits a token at a delimiter. At the end there is none.'},
      {type: 'text', text: 'The lexer emits a token when it sees a delimiter; at the end of the input there is none.\n\n```rust\nfn finish(&mut self) -> Option<Token> {\n    self.buffer.take().map(Token::Word)\n}\n```\n\nI look at where the buffer is flushed.'},
      {type: 'toolCall', id: `call${turn}`, name: 'read', arguments: {path: 'src/lexer.rs', limit: 40}}]});
    const content = [...said(Array.from({length: 40}, (_, k) => `${k + 1}\tneedle${turn} of the file`).join('\n'))];
    if (turn === 0) content.push({type: 'image', mimeType: 'image/png', data: PNG});
    add({role: 'toolResult', toolCallId: `call${turn}`, toolName: 'read', content, isError: false});
    const end = add({role: 'assistant', model: 'claude-sonnet-4-5', provider: 'anthropic', usage, stopReason: 'stop', content: said(`Flushed in \`finish()\`; answer number ${turn}. ${turn === 3 ? HOSTILE : ''}`)});
    if (turn % 5 === 2) {
      for (const other of ['one', 'two']) {
        add({role: 'assistant', model: 'claude-sonnet-4-5', provider: 'anthropic', usage, stopReason: 'stop', content: said(`Branch ${other} of turn ${turn}: append a newline to the input.`)}, prompt);
        const wrong = add({role: 'user', content: said(`That shifts every line count, branch ${other}.`)});
        text += line({type: 'label', id: `label${turn}${other}`, parentId: wrong, timestamp: '2026-05-01T10:00:00.000Z', targetId: wrong, label: 'wrong turn'});
      }
      last = end;
    }
  }
  text += line({type: 'compaction', id: 'compact1', parentId: last, timestamp: '2026-05-01T11:00:00.000Z', summary: 'The lexer was mended.', firstKeptEntryId: id(n - 3), tokensBefore: 43006});
  last = 'compact1';
  add({role: 'user', content: said('And now the documentation.')});
  fs.writeFileSync(path.join(sessions, '2026-05-01T09-00-00-000Z_0199a000-0000-7000-8000-000000000001.jsonl'), text);
  run(db, 'import', root);
  for (let k = 0; k < 30; k++) run(db, 'new', '--cwd', `/home/ada/${['parser', 'site', 'notes'][k % 3]}`);
}
const run = (db, ...args) => execFileSync(sessile, ['--db', db, ...args], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});

/* The browser: messages of its protocol, each ended by a NUL, over two pipes. */
class Browser {
  constructor() {
    const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const profile = path.join(folder, 'profile');
    this.child = spawn(program, ['--headless', '--disable-gpu', '--hide-scrollbars', '--no-first-run', '--disable-dev-shm-usage', ...root, `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'], {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
    children.push(this.child);
    this.waiting = new Map(); this.next = 1; this.events = [];
    let rest = Buffer.alloc(0);
    this.child.stdio[4].on('data', piece => {
      rest = Buffer.concat([rest, piece]);
      for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) this.take(JSON.parse(rest.subarray(0, end)));
    });
  }
  take(message) {
    if (!message.id) { this.events.push(message); return; }
    const {resolve, reject} = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error) reject(new Error(JSON.stringify(message.error))); else resolve(message.result);
  }
  ask(method, params = {}, sessionId = undefined) {
    const id = this.next++;
    this.child.stdio[3].write(JSON.stringify({id, method, params, sessionId}) + '\0');
    return new Promise((resolve, reject) => this.waiting.set(id, {resolve, reject}));
  }
  async page() {
    const {targetId} = await this.ask('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await this.ask('Target.attachToTarget', {targetId, flatten: true});
    const page = new Page(this, sessionId);
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await page.ask(`${domain}.enable`);
    return page;
  }
}
class Page {
  constructor(browser, sessionId) { this.browser = browser; this.sessionId = sessionId; }
  ask(method, params) { return this.browser.ask(method, params, this.sessionId); }
  async run(expression) {
    const {result, exceptionDetails} = await this.ask('Runtime.evaluate', {expression: `(async () => { ${expression} })()`, awaitPromise: true, returnByValue: true});
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }
  async until(expression, what) {
    for (const end = Date.now() + 20000; Date.now() < end;) {
      try { if (await this.run(`return ${expression}`)) return; } catch { /* It is being loaded. */ }
      await new Promise(done => setTimeout(done, 50));
    }
    throw new Error(`it never came that ${what ?? expression}`);
  }
  async open(url) {
    await this.ask('Page.navigate', {url});
    await this.until(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`);
  }
  async size(width, scheme = 'light') {
    await this.ask('Emulation.setDeviceMetricsOverride', {width, height: 900, deviceScaleFactor: 1, mobile: width < 500});
    await this.ask('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: scheme}]});
  }
  async picture(name) {
    if (!pictures) return;
    const {data} = await this.ask('Page.captureScreenshot', {format: 'png'});
    fs.writeFileSync(path.join(pictures, `${name}.png`), Buffer.from(data, 'base64'));
  }
  async pictures(name) {
    if (!pictures) return;
    for (const width of [390, 800, 1400]) {
      for (const scheme of ['light', 'dark']) { await this.size(width, scheme); await this.ask('Page.reload'); await this.until(`document.readyState === 'complete'`); await this.picture(`${name}-${width}-${scheme}`); }
    }
    await this.size(1400);
  }
  /* Clicks as a person does: where the middle of it is. */
  async click(selector) {
    const at = await this.run(`const one = document.querySelector(${JSON.stringify(selector)}); one.scrollIntoView({block: 'center'});
      await new Promise(done => setTimeout(done, 100)); const box = one.getBoundingClientRect(); return [box.x + Math.min(box.width / 2, 40), box.y + box.height / 2]`);
    for (const type of ['mousePressed', 'mouseReleased']) await this.ask('Input.dispatchMouseEvent', {type, x: at[0], y: at[1], button: 'left', clickCount: 1});
  }
  async type(selector, text) {
    await this.run(`document.querySelector(${JSON.stringify(selector)}).focus()`);
    await this.ask('Input.insertText', {text});
  }
}

const visible = selector => `[...document.querySelectorAll(${JSON.stringify(selector)})].filter(one => one.checkVisibility()).length`;

async function file(browser, db) {
  const out = path.join(folder, 'page.html');
  run(db, 'html', '0199a000', '--out', out);
  const page = await browser.page();
  await page.size(1400);
  await page.open(`file://${out}`);
  await page.pictures('page');
  assert.equal(await page.run('return window.hit'), undefined, 'something of the log ran');
  assert.equal(await page.run('return document.scripts.length'), 1);

  // A fork.
  const branch = await page.run(`return document.querySelector(document.querySelector('.run.on .switch').hash).closest('.run').dataset.run`);
  assert.equal(await page.run(`return ${visible(`[data-run="${branch}"].run article`)}`), 0);
  await page.click('.run.on .switch');
  await page.until(`${visible(`[data-run="${branch}"].run article`)} > 0`, 'a branch is shown');
  assert.equal(await page.run(`return document.querySelector('.run.live').checkVisibility()`), false, 'the active branch is still shown');
  await page.picture('page-branch');
  await page.click(`[data-run="${branch}"] .switch`);
  await page.until(`document.querySelector(location.hash).checkVisibility()`);

  // A link to an entry of a branch that is not shown, and to a result inside of a call.
  await page.open(`file://${out}#e-entry003`);
  await page.until(`document.getElementById('e-entry003').closest('details').open`, 'the result is unfolded');

  // A tool.
  await page.open(`file://${out}`);
  await page.run('location.hash = ""; for (const one of document.querySelectorAll("details.tool")) one.open = false');
  await page.click('details.tool summary');
  await page.until(`document.querySelector('details.tool .answer pre').checkVisibility()`, 'a tool is unfolded');
  await page.until(`document.querySelector('.answer img').naturalWidth === 16`, 'the picture is shown');
  await page.picture('page-tool');

  // A search: in what is folded, and on a branch that is not shown.
  await page.type('#find', 'needle7');
  await page.until(`document.getElementById('found').textContent === '1 of 1'`);
  assert.ok(await page.run(`return document.querySelector('.hit details.tool').open`), 'the hit is folded');
  await page.run(`document.getElementById('find').value = ''`);
  await page.type('#find', 'Branch two of turn 7');
  await page.until(`document.getElementById('found').textContent === '1 of 1' && document.querySelector('.hit').textContent.includes('Branch two of turn 7')`);
  assert.ok(await page.run(`return document.querySelector('.hit').checkVisibility()`), 'the hit is hidden');
  await page.picture('page-search');

  // Without scripts, every branch is there.
  await page.ask('Emulation.setScriptExecutionDisabled', {value: true});
  await page.ask('Page.reload');
  await page.until(`document.readyState === 'complete' && ${visible('.run')} === document.querySelectorAll('.run').length`, 'every branch is shown');
  assert.equal(await page.run(`return ${visible('#find')}`), 0, 'a search that does nothing is shown');
  await page.picture('page-without-scripts');
}

async function served(browser, db) {
  const server = spawn(sessile, ['--db', db, 'serve'], {stdio: ['ignore', 'pipe', 'ignore']});
  children.push(server);
  const url = await new Promise(done => server.stdout.once('data', piece => done(String(piece).trim())));
  const page = await browser.page();
  await page.size(1400);
  await page.open(url);
  await page.pictures('list');
  await page.open(`${url}?q=drops&sort=title`);
  await page.click('.rows .name');
  await page.until(`document.querySelector('h1')?.textContent.startsWith('The parser drops') && document.readyState === 'complete'`);
  await page.pictures('session');
  assert.equal(await page.run('return window.hit'), undefined, 'something of the log ran');

  // Live: the same page, without loading it again.
  await page.run('window.same = true');
  run(db, 'append', '0199a000', '--user', `Is <b>this</b> live? ${HOSTILE}`);
  await page.until(`[...document.querySelectorAll('article')].some(one => one.textContent.includes('Is <b>this</b> live?'))`, 'an append is shown');
  assert.equal(await page.run('return window.same && !window.hit'), true, 'the page was loaded anew');
  // What a tool answers goes to its call.
  const [call, answer] = [{role: 'assistant', content: [{type: 'toolCall', id: 'later', name: 'wait', arguments: {}}]},
    {role: 'toolResult', toolCallId: 'later', toolName: 'wait', content: said('It came later.'), isError: false}];
  run(db, 'append', '0199a000', JSON.stringify(call));
  await page.until(`document.querySelector('[data-call="e-later"]')`, 'a call is shown');
  run(db, 'append', '0199a000', JSON.stringify(answer));
  await page.until(`[...document.querySelectorAll('details.tool > .answer')].some(one => one.textContent.includes('It came later.'))`, 'a result is with its call');
  assert.equal(await page.run('return window.same'), true, 'the page was loaded anew');
  run(db, 'branch', '0199a000', 'entry001');
  run(db, 'append', '0199a000', '--user', 'Elsewhere in the tree');
  await page.until(`[...document.querySelectorAll('.run.on article')].some(one => one.textContent.includes('Elsewhere in the tree'))`, 'another branch is shown');

  // A search of the store leads to its entry.
  await page.open(`${url}search?q=needle4&tools=1`);
  await page.pictures('search');
  await page.click('.rows .said');
  await page.until(`location.hash && document.querySelector(location.hash)?.checkVisibility()`, 'a hit is shown');
  await page.open(`${url}usage`);
  await page.pictures('usage');
  await page.open(`${url}roots`);
  await page.pictures('roots');
}

const db = path.join(folder, 'sessions.db');
if (pictures) fs.mkdirSync(pictures, {recursive: true});
store(db);
const browser = new Browser();
await file(browser, db);
await served(browser, db);
const wrong = browser.events.filter(({method, params}) => method === 'Runtime.exceptionThrown'
  || method === 'Log.entryAdded' && params.entry.level === 'error');
assert.deepEqual(wrong.map(({params}) => params), [], 'a page complained');
const asked = browser.events.filter(({method}) => method === 'Network.requestWillBeSent').map(({params}) => params.request.url);
const elsewhere = asked.filter(url => !/^(file:|data:|about:|http:\/\/127\.0\.0\.1:)/.test(url));
assert.deepEqual(elsewhere, [], 'a page asked elsewhere');
const ended = new Promise(done => browser.child.once('exit', done));
await browser.ask('Browser.close');
await ended;
console.log('the pages do in a browser what they are to do');
process.exit(0);
