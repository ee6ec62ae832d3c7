"use strict";
// A job that ends is told: in the page and its title, and by the browser where a click has allowed that.

(() => {
  const running = new Set();
  const shown = new WeakMap();  // each panel's job
  let title = null;  // of the page, while it tells of something else
  const calm = () => { if (title !== null && !document.hidden) { document.title = title; title = null; } };
  const knows = "Notification" in window && isSecureContext;
  // The button that asks is there while the browser has not been told yes or no.
  const offer = () => document.body.classList.toggle("may-notify", knows && Notification.permission === "default");

  const note = (line, page) => {
    const told = document.createElement("div"), link = document.createElement("a"), close = document.createElement("button");
    told.className = "job-ended";
    told.setAttribute("role", "status");
    link.href = `#${page}`;
    link.textContent = line;
    link.addEventListener("click", () => window.assistant.to(page));  // the address may be this one still
    close.type = "button";
    close.className = "quiet";
    close.textContent = "×";
    close.setAttribute("aria-label", document.querySelector("#header .brand").dataset.close);
    told.append(link, close);
    told.addEventListener("click", (event) => { if (event.target !== told) { told.remove(); calm(); } });
    document.querySelectorAll(".job-ended").forEach((one) => one.remove());
    document.body.append(told);
  };
  const tell = (job) => {
    const line = job.querySelector(".job-line").textContent, page = job.closest("[id^=page-]");
    if (!document.hidden && page.checkVisibility()) return;  // whoever looks at it sees it
    const name = page.id.slice("page-".length);
    title ??= document.title;
    document.title = `● ${line}`;
    if (!page.checkVisibility()) note(line, name);
    if (!knows || Notification.permission !== "granted") return;
    try {
      const told = new Notification(line, {tag: job.dataset.job, icon: "/assets/icon.svg"});
      told.addEventListener("click", () => { focus(); location.hash = name; told.close(); });
    } catch { /* a browser of a phone lets only a service worker tell, and has the title and the line */ }
  };

  // Called with the panel of each job whenever it was brought up to date.
  window.assistant.job = (element) => {
    offer();
    const job = element.querySelector("[data-job]");
    if (!job) return;
    const runs = job.dataset.state === "running";
    // One that has just begun comes into sight, wherever on the page the button stands that began it.
    if (shown.has(element) ? shown.get(element) !== job.dataset.job : runs) job.scrollIntoView({block: "center"});
    shown.set(element, job.dataset.job);
    if (runs) running.add(job.dataset.job);
    else if (running.delete(job.dataset.job)) tell(job);
  };
  document.addEventListener("click", async (event) => {
    if (!event.target.closest("[data-notify]")) return;
    await Notification.requestPermission();
    offer();
  });
  addEventListener("focus", calm);
  document.addEventListener("visibilitychange", calm);
})();
