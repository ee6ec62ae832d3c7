"use strict";
// The address says what is open, #documents or #chat/12 or #evaluation/2026-11-30-cases: Back, a reload, a bookmark and
// another person lead there again.

(() => {
  const list = () => document.getElementById("chat-list");
  const titles = () => JSON.parse(document.querySelector("#header .brand")?.dataset.pages ?? "{}");
  const tabOf = (name) => [...document.querySelectorAll("#pages > .tab-wrapper :is([role=tablist], .overflow-dropdown) button")]
    .find((one) => one.textContent.trim() === titles()[name]);
  const listOf = (name) => document.querySelector(`#page-${name} [data-choices]`);
  const read = () => {
    const [, name, item = ""] = /^#?(\w*)(?:\/(.+))?$/.exec(location.hash) ?? [];
    if (name === "") return {name: "chat", item: ""};
    if (!Object.hasOwn(titles(), name) || (name === "chat" && !/^\d*$/.test(item))) return null;
    try { return {name, item: decodeURIComponent(item)}; } catch { return null; }
  };

  let open = null;  // what is open: {name, item}; nothing is told before it is known
  let conversation = "";
  const tell = () => {
    const {name, item} = open, place = item && `/${item.split("/").map(encodeURIComponent).join("/")}`;
    const hash = name !== "chat" || item ? `#${name}${place}` : "";
    if (hash !== location.hash) history.pushState(null, "", hash || location.pathname + location.search);
  };
  // An entry of the page's list, chosen as by a click; without one, what is open there is closed.
  const choose = ({name, item}) => {
    if (item) window.assistant.when(() => listOf(name), (choices) => choices.dispatchEvent(new CustomEvent("chosen", {detail: item})));
    else document.querySelector(`#page-${name} button.closes`)?.click();
  };
  const lead = () => {
    if (location.hash.startsWith("#shared/")) { location.reload(); return; }  // the server finds what a link is for
    const was = open;
    open = read() ?? was;
    if (open.name !== was.name) tabOf(open.name)?.click();
    if (open.name !== "chat") {
      keep(open.name, open.item);
      if (open.item !== was.item || open.name !== was.name) choose(open);
    } else if (open.item === conversation) tell();
    else if (open.item) {
      list().querySelector("[data-current]").dispatchEvent(new CustomEvent("opened", {detail: {conversation: open.item}, bubbles: true}));
    } else document.getElementById("chat-new").click();
  };
  const opened = {};  // what is open on each page that has a list
  // What is in sight is decided here, and by nothing that comes late: Back may be faster than what was opened.
  window.assistant.shown = (name) => document.getElementById(`page-${name}`)?.toggleAttribute("data-opened", Boolean(opened[name]));
  window.assistant.leave = (name) => note(name, "");
  const keep = (name, item) => {
    opened[name] = item;
    if (item) return;
    window.assistant.shown(name);
    listOf(name)?.dispatchEvent(new CustomEvent("left"));
  };
  const note = (name, item) => {
    keep(name, item);
    if (!open || open.name !== name) return;
    open.item = item;
    tell();
  };
  document.addEventListener("click", (event) => {
    const page = event.target.closest("[id^=page-]")?.id.slice("page-".length);
    const chosen = event.target.closest("[data-do=choose]");
    if (chosen) note(page, chosen.dataset.choice);
    else if (event.target.closest("button.closes")) note(page, "");
    // A frame that may reach nothing else does not come into sight by itself when a link leads to a place in it.
    else if (event.target.closest("a[target=report]")) document.querySelector("iframe.report").scrollIntoView({block: "start"});
  });
  window.assistant.to = (name) => { if (tabOf(name)?.getAttribute("aria-selected") !== "true") tabOf(name)?.click(); };
  window.assistant.at = (name) => {
    if (!open || open.name === name) return;
    open = {name, item: name === "chat" ? conversation : opened[name] ?? ""};
    tell();
  };
  addEventListener("popstate", () => open && lead());

  // The list of conversations comes with the first answer of the server, and with it the tabs of who has signed in.
  window.assistant.when(() => list()?.querySelector("[data-current]"), (first) => {
    const named = read() ?? {name: "chat", item: ""};
    conversation = first.dataset.current;
    open = {name: "chat", item: conversation};
    if (named.name === "chat") tell();
    else window.assistant.when(() => tabOf(named.name), (tab) => {
      opened[named.name] = named.item;
      tab.click();
      choose(named);
    });
    new MutationObserver(() => {
      const current = list().querySelector("[data-current]")?.dataset.current;
      if (current === undefined || current === conversation) return;
      conversation = current;
      if (open.name !== "chat") return;
      open.item = current;
      tell();
    }).observe(list(), {childList: true, subtree: true, attributes: true});
  });
})();
