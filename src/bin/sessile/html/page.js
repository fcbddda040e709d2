(() => {
'use strict';
document.documentElement.className = 'js';
const all = (of, what) => [...of.querySelectorAll(what)];
let sections, parents, children, items;

/* Branches: the path through a run is shown, the others are not. */
const read = () => {
  sections = all(document, '.run');
  items = all(document, '#tree li');
  parents = new Map(); children = new Map();
  for (const {dataset: {run, parent}} of sections) {
    if (parent === undefined) continue;
    parents.set(run, parent);
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(run);
  }
};
const show = run => {
  const on = new Set([run]);
  for (let at = run; (at = parents.get(at)) !== undefined;) on.add(at);
  for (let at = run; (at = (children.get(at) || [])[0]) !== undefined;) on.add(at);
  for (const section of sections) section.classList.toggle('on', on.has(section.dataset.run));
  for (const item of items) item.classList.toggle('on', on.has(item.dataset.run));
};
const reveal = element => {
  const section = element.closest('.run');
  if (section && !section.classList.contains('on')) show(section.dataset.run);
  for (let at = element; (at = at.parentElement);) if (at.tagName === 'DETAILS') at.open = true;
};
const jump = () => {
  const element = document.getElementById(location.hash.slice(1));
  if (!element) return;
  reveal(element);
  element.scrollIntoView();
};

/* Search: of every branch, also in what is folded. */
let hits = [], at = -1, texts = null, words = '';
const say = text => { document.getElementById('found').textContent = text; };
const paint = element => {
  if (!window.Highlight) return;
  const ranges = [], walk = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode()) && ranges.length < 500;) {
    const text = node.data.toLowerCase();
    for (let from = 0; (from = text.indexOf(words, from)) >= 0 && ranges.length < 500; from += words.length) {
      if (from + words.length > node.length) break;
      const range = new Range();
      range.setStart(node, from); range.setEnd(node, from + words.length);
      ranges.push(range);
    }
  }
  CSS.highlights.set('hit', new Highlight(...ranges));
  for (const range of ranges) {
    const within = range.startContainer.parentElement;
    for (let up = within; up && up !== element; up = up.parentElement) if (up.tagName === 'DETAILS') up.open = true;
  }
  return ranges[0];
};
const clear = () => {
  for (const old of all(document, '.hit')) old.classList.remove('hit');
  if (window.Highlight) CSS.highlights.delete('hit');
};
const go = to => {
  clear();
  if (!hits.length) return;
  at = (to + hits.length) % hits.length;
  reveal(hits[at]);
  hits[at].classList.add('hit');
  const range = paint(hits[at]);
  (range ? range.startContainer.parentElement : hits[at]).scrollIntoView({block: 'center'});
  say(`${at + 1} of ${hits.length}`);
};
const find = () => {
  words = document.getElementById('find').value.trim().toLowerCase();
  hits = []; at = -1;
  if (!words) { clear(); say(''); return; }
  texts = texts || all(document, 'main section > article, main .event').map(one => [one, one.textContent.toLowerCase()]);
  hits = texts.filter(([, text]) => text.includes(words)).map(([one]) => one);
  if (hits.length) go(0); else { clear(); say('nothing'); }
};

/* Live: what was added is asked for; what cannot be added to the page is loaded anew. */
let asking = false, again = false;
const add = async () => {
  if (asking) { again = true; return; }
  asking = true;
  try {
    do {
      again = false;
      const {after, leaf} = document.body.dataset;
      const answer = await fetch(`${location.pathname}/after?line=${after}&leaf=${encodeURIComponent(leaf)}`);
      if (answer.status === 204) continue;
      if (answer.status !== 200) { location.reload(); return; }
      append(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    } while (again);
  } catch { /* The server is gone, or the page is left. */ }
  asking = false;
};
const append = page => {
  const active = all(document, '.run.live').pop();
  if (!active) { location.reload(); return; }
  const atEnd = innerHeight + scrollY > document.documentElement.scrollHeight - 200;
  for (const list of all(page, 'ol > li')) {
    list.dataset.run = active.dataset.run;
    list.classList.toggle('on', active.classList.contains('on'));
    document.querySelector('#tree ol').append(list);
    items.push(list);
  }
  for (const article of all(page, 'article[data-answers]')) {
    const call = all(active, `details[data-call="${article.dataset.answers}"]`).pop();
    if (!call) continue;
    delete call.dataset.call;
    article.className = 'answer';
    for (const one of all(article, 'details')) one.open = true;
    call.append(article);
  }
  active.append(...page.querySelector('section').childNodes);
  Object.assign(document.body.dataset, page.body.dataset);
  texts = null;
  if (atEnd && active.classList.contains('on')) scrollTo(0, document.documentElement.scrollHeight);
};
const follow = () => {
  const url = document.body.dataset.events;
  if (!url) return;
  let source = null;
  const begin = () => {
    if (document.hidden) { if (source) source.close(); source = null; return; }
    if (source) return;
    source = new EventSource(url);
    source.onmessage = () => {
      if (document.body.dataset.after) add();
      else if (!document.activeElement.matches('input, select')) location.reload();
    };
    /* What was written before the stream began. */
    if (document.body.dataset.after) source.onopen = add;
  };
  document.addEventListener('visibilitychange', begin);
  begin();
};

document.addEventListener('DOMContentLoaded', () => {
  read();
  addEventListener('hashchange', jump);
  jump();
  const field = document.getElementById('find');
  if (field) {
    let timer;
    field.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(find, 150); });
    field.addEventListener('keydown', event => {
      if (event.key !== 'Enter') return;
      clearTimeout(timer);
      if (words === field.value.trim().toLowerCase()) go(at + (event.shiftKey ? -1 : 1)); else find();
    });
    document.getElementById('prev').onclick = () => go(at - 1);
    document.getElementById('next').onclick = () => go(at + 1);
    const fold = document.getElementById('fold');
    fold.onclick = () => {
      const open = fold.textContent === 'Unfold all';
      for (const one of all(document, 'main details')) one.open = open;
      fold.textContent = open ? 'Fold all' : 'Unfold all';
    };
    document.addEventListener('keydown', event => {
      if (event.key !== '/' || event.target.matches('input, textarea, select')) return;
      event.preventDefault(); field.focus();
    });
  }
  const outline = document.querySelector('#tree details');
  if (outline && innerWidth < 1100) outline.open = false;
  /* A link to the entry that is shown already. */
  document.addEventListener('click', event => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.getAttribute('href') === location.hash) jump();
  });
  follow();
});
})();
