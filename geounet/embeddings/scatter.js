"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const PICTURES = 120;
  let items = null;

  function colour(choice) {
    items.data.colour = choice.codes.map((code) => choice.colours[code]);
    items.change.emit();
    const legend = at("legend");
    legend.replaceChildren();
    if (choice.ends) {
      const range = make("span", "range"), bar = make("i");
      bar.style.background = `linear-gradient(90deg, ${choice.colours.slice(0, -1).filter((_, n) => n % 15 === 0)})`;
      range.append(choice.ends[0], bar, choice.ends[1]);
      legend.append(range);
      return;
    }
    choice.labels.forEach((label, code) => {
      const members = choice.codes.flatMap((each, row) => (each === code ? [row] : []));
      const button = make("button"), dot = make("i"), count = make("small");
      button.type = "button";
      dot.style.background = choice.colours[code];
      count.textContent = members.length.toLocaleString("en");
      button.append(dot, label, count);
      button.addEventListener("click", (event) => {
        items.selected.indices = event.shiftKey ? [...new Set([...items.selected.indices, ...members])] : members;
      });
      legend.append(button);
    });
  }

  function make(tag, name) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    return made;
  }

  function selected() {
    const rows = [...items.selected.indices].sort((a, b) => a - b);
    const count = rows.length.toLocaleString("en");
    at("count").textContent = rows.length ? `${count} item${rows.length > 1 ? "s" : ""} selected` : "Nothing selected";
    at("download").disabled = at("clear").disabled = !rows.length;
    at("chosen").replaceChildren(...rows.slice(0, PICTURES).map((row) => {
      const figure = make("figure"), image = make("img");
      image.src = items.data.picture[row];
      image.alt = "";
      image.style.borderColor = items.data.colour[row];
      figure.append(image, `#${items.data.id[row]}`);
      return figure;
    }));
  }

  function field(value) {
    if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
    const text = String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function download() {
    const rows = [...items.selected.indices].sort((a, b) => a - b);
    const lines = rows.map((row) => data.columns.map((name) => field(items.data[name][row])).join(","));
    const text = [data.columns.map(field).join(","), ...lines].join("\r\n") + "\r\n";
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = "selected.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async function start() {
    const item = { docid: "clusters", roots: data.roots, root_ids: Object.keys(data.roots) };
    await Bokeh.embed.embed_items({ clusters: data.document }, [item]);
    items = Bokeh.documents[0].get_model_by_name("items");
    items.selected.properties.indices.change.connect(selected);
    at("colour").addEventListener("change", () => colour(data.colourings[at("colour").selectedIndex]));
    at("download").addEventListener("click", download);
    at("clear").addEventListener("click", () => { items.selected.indices = []; });
    at("colour").addEventListener("change", selected);
    colour(data.colourings[0]);
    document.body.dataset.ready = "yes";
  }

  start();
})();
