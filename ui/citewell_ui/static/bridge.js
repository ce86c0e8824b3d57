/* What the page does without its server: citations, tooltips, keys, copying, forms, scrolling.
   The server renders HTML again and again while an answer streams, so nothing is remembered in it: what is active is a
   style sheet of its own, and the rest (unfolded details, focus) is put back when elements were replaced. */
(() => {
  "use strict";

  const WIDE = matchMedia("(min-width: 900px)");
  const CALM = matchMedia("(prefers-reduced-motion: reduce)");
  const state = { turn: "", source: "", sentence: "", lastTurn: "" };
  const open = new Map(); // whether the reader unfolded a details element, by its id
  const thumbs = new Map(); // "up" or "down", by turn
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const quoted = (value) => `"${CSS.escape(value)}"`;
  const last = (list) => list[list.length - 1];
  const motion = () => (CALM.matches || !WIDE.matches ? "auto" : "smooth"); // a phone has far to go

  /* --- to the server --- */

  function citewellSend(detail) {
    document.dispatchEvent(new CustomEvent("citewell", { detail }));
  }
  window.citewellSend = citewellSend;

  /* --- what is active --- */

  function paint() {
    const rules = [];
    if (state.turn && one(`.evidence[data-turn=${quoted(state.turn)}]`))
      rules.push(`.citewell.evidence:not([data-turn=${quoted(state.turn)}]) { display: none !important; }`);
    if (state.source) {
      const has = `[data-sources~=${quoted(state.source)}]`;
      rules.push(
        `.citewell .card${has} { --tie: var(--cw-accent); --tie-shade: var(--cw-lift); }`,
        `.citewell mark${has} { --mark: var(--cw-mark-strong); --mark-line: var(--cw-mark-line); }`,
        `.citewell .number[data-number=${quoted(state.source)}], .citewell .chip[data-card=${quoted(state.source)}]` +
          ` { --chip: var(--cw-accent); --chip-text: var(--cw-on-accent); }`,
      );
    }
    if (state.sentence) {
      const number = last(state.sentence.split("-"));
      rules.push(
        `#sentence-${CSS.escape(state.sentence)} { --tie: var(--cw-accent); --tie-shade: var(--cw-tint); }`,
        `.citewell.evidence[data-turn=${quoted(state.turn)}] .about::after { content: " for sentence ${number}"; }`,
      );
    }
    sheet.replaceSync(rules.join("\n"));
  }

  function activate(turn, source, sentence) {
    Object.assign(state, { turn, source, sentence });
    paint();
  }

  /* --- scrolling --- */

  function scroller(element) {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
      const overflow = getComputedStyle(box).overflowY;
      if ((overflow === "auto" || overflow === "scroll") && box.scrollHeight > box.clientHeight + 1) return box;
    }
    return document.scrollingElement;
  }

  function hiddenBelow() {
    const composer = one("#cw-composer");
    if (!composer || getComputedStyle(composer).position !== "sticky") return 0;
    return Math.max(0, innerHeight - composer.getBoundingClientRect().top);
  }

  /* Brings an element into view, and within it the part that matters, without moving more than is needed. */
  function reveal(element, part = element) {
    const box = scroller(element);
    const page = box === document.scrollingElement;
    const top = page ? 0 : box.getBoundingClientRect().top;
    const height = page ? innerHeight - (element.closest(".turn") ? hiddenBelow() : 0) : box.clientHeight;
    const whole = element.getBoundingClientRect();
    const inner = part.getBoundingClientRect();
    const margin = page ? 16 : 56; // the heading of the evidence stays in place
    let move = 0;
    if (whole.top - top < margin || inner.bottom - top > height - 24) move = whole.top - top - margin;
    if (inner.bottom - top - move > height - 24) move = inner.top - top - Math.max(margin, (height - inner.height) / 2);
    if (move) box.scrollBy({ top: move, behavior: motion() });
  }

  let following = true;
  function endOfAnswer() {
    const turn = last(all(".turn"));
    return turn ? { turn, below: turn.getBoundingClientRect().bottom - (innerHeight - hiddenBelow()) } : null;
  }
  addEventListener("scroll", () => {
    const end = endOfAnswer();
    following = !end || end.below < 48;
  }, { passive: true });

  function follow(isNew) {
    const end = endOfAnswer();
    if (!end) return;
    const top = end.turn.getBoundingClientRect().top;
    if (isNew) scrollBy({ top: Math.min(top - 16, Math.max(0, end.below + 24)), behavior: "auto" });
    else if (following && end.below > 0) scrollBy({ top: Math.max(0, Math.min(end.below + 24, top - 16)) });
  }

  /* --- citations --- */

  function openSource(chip, byKeyboard) {
    const source = chip.dataset.card;
    const sentence = chip.closest(".sentence");
    activate(chip.closest(".turn").dataset.turn, source, sentence.id.slice("sentence-".length));
    const card = one(`.card[data-sources~=${quoted(source)}]`);
    if (!card) return;
    reveal(card, one(`mark[data-sources~=${quoted(source)}]`, card) || card);
    if (byKeyboard || !WIDE.matches) card.focus({ preventScroll: true });
    hideTip();
  }

  function openPaper(name, turn) {
    activate(turn, "", "");
    const paper = document.getElementById(`paper-${name}`);
    if (!paper) return;
    paper.open = true;
    reveal(paper);
    if (!WIDE.matches) one("summary", paper).focus({ preventScroll: true });
  }

  function toSentence(name) {
    const sentence = document.getElementById(`sentence-${name}`);
    if (!sentence) return;
    const turn = sentence.closest(".turn").dataset.turn;
    const own = sentence.dataset.sources.split(" ");
    activate(turn, own.includes(state.source) ? state.source : own[0], name);
    reveal(sentence);
    one(`.chip[data-card=${quoted(state.source)}]`, sentence)?.focus({ preventScroll: true });
    hideTip();
  }

  function back() {
    const chip = state.sentence && one(`#sentence-${CSS.escape(state.sentence)} .chip[data-card=${quoted(state.source)}]`);
    const target = chip || document.getElementById(`turn-${state.turn}`);
    if (!target) return;
    reveal(chip ? chip.closest(".sentence") : target);
    target.focus({ preventScroll: true });
    hideTip();
  }

  function openNumber(number) {
    const focused = document.activeElement;
    const shown = focused.closest(".evidence");
    const turn =
      focused.closest(".turn") ||
      (shown && document.getElementById(`turn-${shown.dataset.turn}`)) ||
      (focused === document.body && last(all(".turn")));
    const chip = turn && one(`.chip[data-card=${quoted(`${turn.dataset.turn}-${number}`)}]`, turn);
    return chip ? !openSource(chip, true) : false;
  }

  /* --- the tooltip of a chip --- */

  const tip = document.createElement("div");
  tip.className = "citewell cw-tip";
  tip.id = "cw-tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  tip.append(document.createElement("p"), document.createElement("blockquote"));
  let tipped = null;
  let leaving = 0;

  function showTip(chip) {
    clearTimeout(leaving);
    if (!tip.isConnected) document.body.append(tip);
    tip.firstChild.textContent = chip.dataset.title;
    tip.lastChild.textContent = chip.dataset.quote;
    tip.hidden = false;
    tipped = chip;
    chip.setAttribute("aria-describedby", tip.id);
    const at = chip.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2 - size.width / 2), innerWidth - size.width - 8);
    const above = at.top - size.height - 6;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 6}px`;
  }
  function hideTip() {
    clearTimeout(leaving);
    tipped?.removeAttribute("aria-describedby");
    tipped = null;
    tip.hidden = true;
  }
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return;
    const chip = event.target.closest(".citewell .chip");
    if (chip) showTip(chip);
    else if (event.target.closest(".cw-tip")) clearTimeout(leaving);
    else if (tipped) {
      clearTimeout(leaving);
      leaving = setTimeout(hideTip, 150); // time to move onto the tooltip
    }
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".citewell .chip:focus-visible")) showTip(event.target);
    else if (tipped) hideTip();
  });
  addEventListener("scroll", () => { if (tipped) hideTip(); }, { passive: true, capture: true });

  /* --- copying --- */

  const heard = document.createElement("div"); // read out by screen readers
  heard.className = "citewell sr";
  heard.setAttribute("role", "status");

  async function copy(button) {
    const words = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(words);
    } catch {
      const area = document.createElement("textarea"); // without HTTPS there is no clipboard
      area.value = words;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.dataset.said = "Copied";
    if (!heard.isConnected) document.body.append(heard);
    heard.textContent = "Copied";
    setTimeout(() => { delete button.dataset.said; heard.textContent = ""; }, 1600);
  }

  /* --- forms and menus --- */

  function unfold(turn, name, shown) {
    for (const form of all("form[data-form]", turn)) form.hidden = !(shown && form.dataset.form === name);
    for (const button of all("[data-opens][aria-expanded]", turn))
      button.setAttribute("aria-expanded", String(shown && button.dataset.opens === name));
    const area = shown && one(`form[data-form=${quoted(name)}] textarea`, turn);
    if (!area) return;
    area.focus({ preventScroll: true });
    area.setSelectionRange(area.value.length, area.value.length);
    reveal(area.closest("form"));
  }

  function showThumb(turn) {
    for (const button of all(`.thumb[data-turn=${quoted(turn)}]`))
      button.setAttribute("aria-pressed", String(thumbs.get(turn) === button.dataset.value));
  }

  function closeMenus(except = null) {
    // The map is told too, for the toggle event comes after the page may have been drawn again.
    for (const menu of all(".citewell details.menu[open]")) if (menu !== except) open.set(menu.id, menu.open = false);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest(".citewell form[data-action]");
    if (!form) return;
    event.preventDefault();
    const { action, turn } = form.dataset;
    const value = new FormData(form).get("value").trim();
    unfold(form.closest(".turn"), form.dataset.form, false);
    if (value) citewellSend({ action, turn, value, thumb: thumbs.get(turn) || "" });
  });

  document.addEventListener("toggle", (event) => {
    if (event.target.matches(".citewell details[id]")) open.set(event.target.id, event.target.open);
  }, true);

  /* --- clicks --- */

  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("details.menu"));
    const button = event.target.closest("button, [data-action]");
    if (!button || button.disabled || button.matches("form")) return;
    const data = button.dataset;
    const turn = button.closest(".turn");
    if (data.card) openSource(button, event.detail === 0);
    else if (data.paper && turn) openPaper(data.paper, turn.dataset.turn);
    else if (data.sentence) toSentence(data.sentence);
    else if (data.back) back();
    else if (data.copy !== undefined) copy(button);
    else if (data.themeToggle !== undefined) setTheme(!document.body.classList.contains("dark"), true);
    else if (data.tab) tab(data.tab);
    else if (data.closes !== undefined) unfold(turn, "", false);
    if (data.action === "feedback") {
      thumbs.set(data.turn, thumbs.get(data.turn) === data.value ? "" : data.value);
      showThumb(data.turn);
      citewellSend({ action: "feedback", turn: data.turn, value: thumbs.get(data.turn) });
      unfold(turn, "comment", Boolean(thumbs.get(data.turn)));
    } else {
      if (data.opens) unfold(turn, data.opens, one(`form[data-form=${quoted(data.opens)}]`, turn).hidden);
      if (data.action) citewellSend({ action: data.action, turn: data.turn || "", value: data.value || "" });
    }
    if (button.closest("details.menu .items")) closeMenus();
  });

  function tab(name) {
    all("[role=tab]").find((button) => button.textContent.trim() === name)?.click();
  }

  /* --- keys --- */

  const typing = (element) => element.matches("input, textarea, select, [contenteditable]:not([contenteditable=false])");

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.key === "Escape") return escape(event, target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (typing(target)) {
      if (event.key === "Enter" && !event.shiftKey && target.matches(".citewell form textarea")) {
        event.preventDefault();
        target.form.requestSubmit();
      }
    } else if (event.key === "/") {
      event.preventDefault();
      one("#cw-question textarea")?.focus();
    } else if (/^[1-9]$/.test(event.key) && openNumber(event.key)) event.preventDefault();
  });

  function escape(event, target) {
    const form = target.closest(".citewell form[data-form]");
    const menu = target.closest(".citewell details.menu[open]");
    if (one(".turn[aria-busy=true]")) citewellSend({ action: "stop", turn: "", value: "" });
    else if (!tip.hidden) hideTip();
    else if (menu) {
      menu.open = false;
      one("summary", menu).focus();
    } else if (form) {
      unfold(form.closest(".turn"), "", false);
      one(`[data-opens=${quoted(form.dataset.form)}]`, form.closest(".turn")).focus();
    } else if (target.closest(".citewell.evidence")) back();
  }

  /* --- the theme --- */

  const KEY = "citewell-theme";
  function remembered(value) {
    try {
      if (value) localStorage.setItem(KEY, value);
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  }
  function setTheme(dark, keep) {
    document.body.classList.toggle("dark", dark);
    if (keep) remembered(dark ? "dark" : "light");
    for (const button of all("[data-theme-toggle]")) button.setAttribute("aria-pressed", String(dark));
  }

  /* --- after the server changed the page --- */

  let focused = null;
  document.addEventListener("focusin", (event) => {
    const element = event.target.closest(".citewell button, .citewell summary, .citewell .card");
    focused = element && { element, path: pathOf(element) };
  });
  function pathOf(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const within = element.closest("[id]");
    const names = ["card", "action", "value", "sentence", "paper", "opens"].filter((name) => element.dataset[name]);
    const own = names.map((name) => `[data-${name}=${quoted(element.dataset[name])}]`).join("");
    return within ? `#${CSS.escape(within.id)} ${element.localName}${own}` : "";
  }

  function settle(answering) {
    const turns = all(".turn");
    const newest = turns.length ? last(turns).dataset.turn : "";
    const isNew = newest !== state.lastTurn;
    if (isNew) {
      state.lastTurn = newest;
      activate(newest, "", "");
      hideTip();
    } else paint();
    for (const [id, shown] of open) {
      const details = document.getElementById(id);
      if (details && details.open !== shown) details.open = shown;
    }
    for (const turn of thumbs.keys()) showThumb(turn);
    if (tipped && !tipped.isConnected) hideTip();
    if (focused && !focused.element.isConnected && document.activeElement === document.body && focused.path) {
      one(focused.path)?.focus({ preventScroll: true });
    }
    for (const [part, label] of [["submit", "Ask"], ["stop", "Stop"]]) // Gradio gives its buttons no name
      for (const button of all(`#cw-question .${part}-button:not([aria-label])`)) button.setAttribute("aria-label", label);
    const dark = remembered() ? remembered() === "dark" : document.body.classList.contains("dark");
    const told = all("[data-theme-toggle]").every((button) => button.getAttribute("aria-pressed") === String(dark));
    if (!told || document.body.classList.contains("dark") !== dark) setTheme(dark, false);
    if (answering) follow(isNew && turns.length > 1);
  }

  function begin() {
    new MutationObserver((changes) => {
      const from = changes.filter(({ target }) => !tip.contains(target) && !heard.contains(target));
      if (from.length) settle(from.some(({ target }) => target.closest("#cw-left")));
    }).observe(document.body, { childList: true, subtree: true });
    settle(false);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
