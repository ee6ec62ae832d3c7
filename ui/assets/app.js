"use strict";
// What Gradio's components do not do: hints over marks, steps between sources, copying, renaming, light and dark.
// Everything is told by data- attributes of our own HTML; text from elsewhere is only ever set as text.

(() => {
  const KEY = "assistant-dark";
  const byId = (id) => document.getElementById(id);
  const act = (element, name, detail) => element.dispatchEvent(new CustomEvent(name, {detail, bubbles: true}));

  // Light and dark: as the system says, until someone chooses.
  const setDark = (dark) => document.body.classList.toggle("dark", dark);
  const chosen = localStorage.getItem(KEY);
  if (chosen !== null) {
    const apply = () => setDark(chosen === "1");
    document.body ? apply() : document.addEventListener("DOMContentLoaded", apply);
    window.addEventListener("load", () => { apply(); setTimeout(apply, 300); });
  }
  document.documentElement.lang = location.pathname.split("/")[1] || "en";

  // Hints: the words of a passage, while the mark is under the pointer or has the focus.
  let hint = null;
  const hideHint = () => { hint?.remove(); hint = null; };
  const showHint = (mark) => {
    hideHint();
    hint = document.createElement("div");
    hint.className = "hint";
    hint.setAttribute("aria-hidden", "true");
    const source = document.createElement("strong");
    source.textContent = mark.dataset.source;
    const quote = document.createElement("span");
    const cells = (row) => row.slice(1, -1).split("|").map((cell) => cell.trim()).filter(Boolean).join(" · ");
    const said = mark.dataset.quote.replace(/^\|.*\|$/gm, cells);
    quote.textContent = said.length > 420 ? said.slice(0, 420) + " …" : said;
    hint.append(source, quote);
    document.body.append(hint);
    const at = mark.getBoundingClientRect(), size = hint.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left - 24, innerWidth - size.width - 8));
    const top = at.bottom + 8 + size.height < innerHeight ? at.bottom + 8 : Math.max(8, at.top - size.height - 8);
    hint.style.left = `${left}px`;
    hint.style.top = `${top}px`;
  };
  const canHover = matchMedia("(hover: hover)");
  document.addEventListener("mouseover", (event) => {
    const mark = event.target.closest?.(".mark");
    if (mark && canHover.matches) showHint(mark); else if (hint) hideHint();
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches?.(".mark:focus-visible")) showHint(event.target); else hideHint();
  });
  document.addEventListener("scroll", hideHint, true);

  // Sources: the marks of one answer, one after the other.
  let current = null;
  const neighbours = () => {
    const turn = current?.closest(".turn");
    const marks = turn ? [...turn.querySelectorAll(".mark")] : [];
    const key = (one) => [one.dataset.document, one.dataset.start, one.dataset.end].join("\n");
    const distinct = marks.filter((one, at) => marks.findIndex((other) => key(other) === key(one)) === at);
    return [distinct, current ? distinct.findIndex((one) => key(one) === key(current)) : -1];
  };
  const markCurrent = () => {
    document.querySelectorAll("#chat [aria-pressed]").forEach((one) => one.removeAttribute("aria-pressed"));
    current?.setAttribute("aria-pressed", "true");
  };
  window.assistant = {
    // Gradio builds the page after the scripts have run: `then` is called with what `find` finds, once it does.
    when(find, then) {
      const found = find();
      if (found) { then(found); return; }
      const changes = new MutationObserver(() => {
        const found = find();
        if (!found) return;
        changes.disconnect();
        then(found);
      });
      changes.observe(document.documentElement, {childList: true, subtree: true});
      setTimeout(() => changes.disconnect(), 20_000);
    },
    opened(element) {
      const panel = element.querySelector(".source");
      document.body.classList.toggle("has-source", Boolean(panel));
      if (!panel) current = null;
      markCurrent();
      if (!panel) return;
      const [marks, at] = neighbours();
      panel.querySelectorAll("[data-step]").forEach((one) => {
        const next = at + Number(one.dataset.step);
        one.disabled = at < 0 || next < 0 || next >= marks.length;
      });
      const found = panel.querySelector(".found");
      if (found) found.scrollIntoView({block: "center"}); else element.scrollTop = 0;
      panel.querySelector("h2")?.focus({preventScroll: true});
    },
    closed() {
      document.body.classList.remove("has-source");
      const opener = current?.isConnected ? current : document.querySelector("#chat-question textarea");
      current = null;
      markCurrent();
      opener.focus();
    },
    step(by) {
      const [marks, at] = neighbours();
      marks[at + by]?.click();
    },
  };

  // A page that could not be drawn says so in its place; its words stand below it.
  document.addEventListener("error", (event) => {
    const sheet = event.target.closest?.(".sheet[data-lost]");
    if (!sheet) return;
    const note = document.createElement("p");
    note.className = "note";
    note.setAttribute("role", "status");
    note.textContent = sheet.dataset.lost;
    sheet.replaceWith(note);
  }, true);

  // Browsers have a clipboard only where the connection is encrypted, or on this machine itself.
  const copyText = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  };

  document.addEventListener("click", async (event) => {
    const target = event.target;
    const opens = target.closest("#chat-log :is([data-do=cite], [data-do=why])");
    if (opens) { current = opens; hideHint(); }
    if (target.closest("[data-dark]")) {
      const dark = !document.body.classList.contains("dark");
      setDark(dark);
      localStorage.setItem(KEY, dark ? "1" : "0");
    }
    const copies = target.closest("[data-copy]");
    if (copies) {
      await copyText(("link" in copies.dataset ? location.origin : "") + copies.dataset.copy);
      const label = copies.textContent;
      copies.textContent = copies.dataset.copied;
      setTimeout(() => { copies.textContent = label; }, 1500);
    }
    if (target.closest("[data-side]")) document.body.classList.toggle("has-side");
    else if (target.closest("[data-do=open], #chat-new") || !target.closest("#chat-side")) document.body.classList.remove("has-side");
    document.querySelectorAll("details.menu[open]").forEach((one) => { if (!one.contains(target) || target.closest("a")) one.open = false; });
  });

  // A conversation is deleted by the second click on the same button.
  document.addEventListener("click", (event) => {
    const deletes = event.target.closest("[data-sure]");
    if (deletes && !deletes.classList.contains("is-sure")) {
      event.stopPropagation();
      deletes.dataset.label = deletes.textContent;
      deletes.classList.add("is-sure");
      deletes.textContent = deletes.dataset.sure;
    }
  }, true);

  // What is unfolded comes into sight: a menu above its button where there is no room below, a form below an answer.
  document.addEventListener("toggle", (event) => {
    const one = event.target, items = one.querySelector(".items");
    if (one.matches("details.menu")) {
      items.classList.remove("is-above");
      if (one.open && items.getBoundingClientRect().bottom > innerHeight) items.classList.add("is-above");
      // Only of a menu that closes: the event comes late, when a quick hand has chosen already.
      if (!one.open) one.querySelectorAll(".is-sure").forEach((sure) => { sure.classList.remove("is-sure"); sure.textContent = sure.dataset.label; });
    } else if (one.open && one.closest(".teach") && !("kept" in one.dataset)) one.closest(".teach").scrollIntoView({block: "start", behavior: "smooth"});
  }, true);

  // Names are given in the list: to a conversation, to its folder, to a folder.
  document.addEventListener("click", (event) => {
    const names = event.target.closest("[data-naming]");
    if (!names) return;
    const item = names.closest("li, .folder"), title = item.querySelector(".title"), before = names.dataset.value;
    const field = document.createElement("input");
    field.className = "renaming";
    field.value = before;
    field.maxLength = names.dataset.naming === "rename" ? 80 : 40;
    if (names.dataset.naming === "move") field.setAttribute("list", "folders");
    field.setAttribute("aria-label", names.textContent);
    names.closest("details").open = false;
    title.hidden = true;
    item.prepend(field);
    field.focus();
    field.select();
    let over = false;
    const end = (keep, isKey) => {
      if (over) return;
      over = true;  // removing the field takes the focus from it, which calls this again
      field.remove();
      title.hidden = false;
      if (isKey) item.querySelector("summary").focus();
      if (keep && field.value.trim() && field.value !== before) act(item, "named", {...names.dataset, title: field.value});
    };
    field.addEventListener("keydown", (key) => {
      if (key.key === "Enter") end(true, true);
      if (key.key === "Escape") { key.stopPropagation(); end(false, true); }
    });
    field.addEventListener("blur", () => end(true));
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    hideHint();
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
    document.body.classList.remove("has-side");
    const close = document.querySelector("#source [data-close]");
    if (close) close.click();
  });

  // The last question stands at the top: of a conversation that is opened, and while its answer comes in, unless someone
  // has scrolled away. The answer is read aloud when it is complete.
  const aloud = document.createElement("div");
  aloud.className = "said-aloud";
  aloud.setAttribute("role", "status");
  let follows = true;
  // Gradio's buttons beside the question have no name of their own; theirs would become part of the name of the box.
  const nameButtons = (box, names) => {
    const name = () => {
      box.querySelector("textarea")?.setAttribute("aria-label", names.ask);
      box.querySelector(".submit-button")?.setAttribute("aria-label", names.send);
      box.querySelector(".stop-button")?.setAttribute("aria-label", names.stop);
    };
    new MutationObserver(name).observe(box, {childList: true, subtree: true});
    name();
  };
  // Files that are dropped on the chat go the way of those that are chosen with the button.
  const dropped = (event) => event.dataTransfer?.types.includes("Files") && event.target.closest?.("#chat-main");
  const showDrop = (on) => {
    const main = byId("chat-main");
    if (!main) return;
    main.dataset.drop = document.querySelector("#header .brand")?.dataset.drop ?? "";
    main.classList.toggle("is-dropping", Boolean(on));
  };
  document.addEventListener("dragover", (event) => {
    const onto = dropped(event);
    showDrop(onto);
    if (onto) event.preventDefault();
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) showDrop(false); });
  document.addEventListener("drop", (event) => {
    showDrop(false);
    const input = dropped(event) && document.querySelector("#chat-options input[type=file]");
    if (!input) return;
    event.preventDefault();
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
  });
  const log = () => byId("chat-log");
  document.addEventListener("scroll", (event) => {
    const one = event.target;
    if (one === log()) follows = one.scrollHeight - one.scrollTop - one.clientHeight < 120;
  }, true);
  const watch = (now) => {
    let came = false, stood = "";
    new MutationObserver(() => {
      const comes = Boolean(now.querySelector(".is-coming"));
      const stands = [...log().querySelectorAll(".turn")].map((one) => one.id).join(" ");
      if (comes && !came) follows = true;  // a question was asked just now
      if ((comes || came) ? follows : stands !== stood) {
        const above = parseFloat(getComputedStyle(log()).paddingTop);
        log().scrollTop += now.getBoundingClientRect().top - log().getBoundingClientRect().top - above;
      }
      stood = stands;
      if (came && !comes) aloud.textContent = [...now.querySelectorAll(".reply")].map((one) => one.innerText).join("\n");
      came = comes;
    }).observe(log(), {childList: true, subtree: true, characterData: true});
    document.body.append(aloud);
  };
  window.assistant.when(() => byId("chat-now"), watch);
  // The tabs stand between the name and the tools, which are as wide as the language and who has signed in make them.
  const sizes = new ResizeObserver((changes) => changes.forEach(({target}) => {
    document.documentElement.style.setProperty(`--${target.className}`, `${target.offsetWidth}px`);
  }));
  window.assistant.when(() => document.querySelector("#header .tools"), () => {
    const measure = () => {
      sizes.disconnect();
      document.querySelectorAll("#header :is(.brand, .tools)").forEach((one) => sizes.observe(one));
    };
    new MutationObserver(measure).observe(byId("header"), {childList: true, subtree: true});
    measure();
  });
  window.assistant.when(() => byId("chat-question") && document.querySelector("#header .brand"), (brand) => {
    nameButtons(byId("chat-question"), brand.dataset);
  });
  // Gradio heads its messages in English.
  window.assistant.when(() => document.querySelector(".toast-wrap") && document.querySelector("#header .brand"), ({dataset}) => {
    const titles = JSON.parse(dataset.told);
    new MutationObserver(() => {
      for (const {firstChild} of document.querySelectorAll(".toast-title")) {
        const title = titles[firstChild?.data?.trim()];
        if (title) firstChild.data = `${title} `;
      }
      document.querySelectorAll(".toast-close").forEach((one) => one.setAttribute("aria-label", dataset.close));
    }).observe(document.querySelector(".toast-wrap"), {childList: true, subtree: true});
  });
})();
