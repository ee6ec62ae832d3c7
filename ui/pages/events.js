// Clicks and forms with data-do raise the events that are known, which stand in front of this.
const shown = () => [...element.querySelectorAll(".turn[id]")].map((turn) => turn.id.replace("turn-", "")).join();
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]:not(form)");  // a form acts when it is sent
  if (button && element.contains(button) && known.includes(button.dataset.do)) {
    trigger(button.dataset.do, {...button.dataset, shown: shown()});
  }
});
element.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-do]");
  if (!form || !known.includes(form.dataset.do)) return;
  event.preventDefault();
  const fields = new FormData(form);
  const data = {...form.dataset, shown: shown()};
  for (const name of new Set(fields.keys())) data[name] = fields.getAll(name);
  if (event.submitter && event.submitter.name) data[event.submitter.name] = [event.submitter.value];
  trigger(form.dataset.do, data);
});
