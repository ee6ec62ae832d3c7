"use strict";
// The address says what is open, #documents or #chat/12: Back, a reload and a bookmark lead there again.

(() => {
  const list = () => document.getElementById("chat-list");
  const titles = () => JSON.parse(document.querySelector("#header .brand")?.dataset.pages ?? "{}");
  const tabOf = (name) => [...document.querySelectorAll("#pages > .tab-wrapper :is([role=tablist], .overflow-dropdown) button")]
    .find((one) => one.textContent.trim() === titles()[name]);
  const read = () => {
    const [, name, conversation = ""] = /^#?(\w*)(?:\/(\d+))?$/.exec(location.hash) ?? [];
    if (name === "") return {name: "chat", conversation: ""};
    return Object.hasOwn(titles(), name) ? {name, conversation} : null;
  };

  let open = null;  // what is open: {name, conversation}; nothing is told before it is known
  const tell = () => {
    const {name, conversation} = open;
    const hash = name !== "chat" ? `#${name}` : conversation ? `#chat/${conversation}` : "";
    if (hash !== location.hash) history.pushState(null, "", hash || location.pathname + location.search);
  };
  const lead = () => {
    if (location.hash.startsWith("#shared/")) { location.reload(); return; }  // the server finds what a link is for
    const was = open;
    open = read() ?? was;
    if (open.name !== was.name) tabOf(open.name)?.click();
    if (open.name !== "chat" || open.conversation === was.conversation) { open.conversation = was.conversation; tell(); }
    else if (open.conversation && open.conversation !== was.conversation) {
      list().querySelector("[data-current]").dispatchEvent(new CustomEvent("opened", {detail: {conversation: open.conversation}, bubbles: true}));
    } else if (!open.conversation && was.conversation) document.getElementById("chat-new").click();
  };
  window.assistant.to = (name) => { if (tabOf(name)?.getAttribute("aria-selected") !== "true") tabOf(name)?.click(); };
  window.assistant.at = (name) => {
    if (!open || open.name === name) return;
    open.name = name;
    tell();
  };
  addEventListener("popstate", () => open && lead());

  // The list of conversations comes with the first answer of the server, and with it the tabs of who has signed in.
  window.assistant.when(() => list()?.querySelector("[data-current]"), (first) => {
    const name = read()?.name ?? "chat";
    open = {name: "chat", conversation: first.dataset.current};
    if (name !== "chat") window.assistant.when(() => tabOf(name), (tab) => tab.click());
    else tell();
    new MutationObserver(() => {
      const current = list().querySelector("[data-current]")?.dataset.current;
      if (current === undefined || current === open.conversation) return;
      open.conversation = current;
      tell();
    }).observe(list(), {childList: true, subtree: true, attributes: true});
  });
})();
