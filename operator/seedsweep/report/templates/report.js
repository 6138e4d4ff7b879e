// Sorting of the table of episodes, and one episode pointed at in the table, the curves and the grid at once.
// The page reads without it: everything is there as HTML and SVG.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const frame = byId("episodes-table");
  const curves = JSON.parse(byId("curves-data").textContent);
  const DRAWN = ["curve", "loss", "finalist", "cell"];
  // Each figure is there twice: for phones, too.
  const MARKS = ["row-", ...DRAWN.map((kind) => `${kind}-`), ...DRAWN.map((kind) => `narrow-${kind}-`)];
  const figures = (name) => [byId(`${name}-figure`), byId(`${name}-narrow-figure`)].filter(Boolean);
  let pinned = null;
  let shown = null;

  // One episode in all places. What is not drawn of its own is drawn from the numbers.
  function show(name) {
    if (name === shown) return;
    document.querySelectorAll(".pointed").forEach((path) => path.remove());
    for (const mark of MARKS) {
      byId(`${mark}${shown}`)?.classList.remove("on");
      if (name !== null) byId(`${mark}${name}`)?.classList.add("on");
    }
    shown = name;
    byId("pointed").textContent = name === null ? "" : told(name);
    if (name === null) return;
    figures("curves").forEach((svg) => draw(svg, name));
    if (byId(`finalist-${name}`)) figures("finalists").forEach((svg) => draw(svg, name));
  }

  function draw(svg, name) {
    const [a, b] = svg.dataset.x.split(" ").map(Number);
    const [c, d] = svg.dataset.y.split(" ").map(Number);
    let path = "";
    let pen = "M";
    (curves.scores[name] ?? []).forEach((score, i) => {
      if (score !== null) path += `${pen}${(a + b * curves.x[i]).toFixed(1)} ${(c + d * score).toFixed(1)}`;
      pen = score === null ? "M" : "L";
    });
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    line.setAttribute("class", "pointed");
    const clipped = svg.querySelector("[clip-path]");
    if (clipped) line.setAttribute("clip-path", clipped.getAttribute("clip-path"));
    svg.append(line);
  }

  function told(name) {
    const cell = (column) => byId(`row-${name}`).cells[byId(`column-${column}`).cellIndex].textContent;
    const said = `${name}: ${cell("status")}, rank ${cell("rank")}, best ${cell("best")}`;
    return pinned === name ? `${said}. Escape lets go.` : said;
  }

  function pin(name) {
    show(null);
    pinned = name;
    show(name);
  }

  function episodeAt(target) {
    for (let at = target; at && at !== document; at = at.parentNode) {
      const found = /^(?:narrow-)?(?:row|curve|loss|finalist|cell)-(.+)$/.exec(at.id ?? "");
      if (found && byId(`row-${found[1]}`)) return found[1];
    }
    return null;
  }

  document.addEventListener("pointerover", (event) => show(episodeAt(event.target) ?? pinned));
  document.addEventListener("click", (event) => {
    const name = episodeAt(event.target);
    if (name !== null) pin(name === pinned ? null : name);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") pin(null);
  });
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step || event.target !== frame) return;
    event.preventDefault();
    const row = pinned === null ? frame.querySelector("tbody tr") : byId(`row-${pinned}`)[step];
    if (!row) return;
    pin(row.id.slice("row-".length));
    row.scrollIntoView({ block: "nearest" });
  });

  // Numbers by their value, words as people order them; what is missing stays last, and equal ones as they stood.
  const words = new Intl.Collator("en", { numeric: true });
  function key(cell) {
    const text = cell.textContent.trim();
    if (text === "–") return null;
    const number = Number(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text : number;
  }
  function compare(one, other) {
    return typeof one === "number" && typeof other === "number" ? one - other : words.compare(one, other);
  }
  const body = frame.querySelector("tbody");
  const first = [...body.rows];
  function sort(head) {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    frame.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    const keyed = first.map((row) => [key(row.cells[head.cellIndex]), row]);
    keyed.sort(([one], [other]) => {
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * compare(one, other);
    });
    body.append(...keyed.map(([, row]) => row));
  }
  // Buttons are made here: without scripts there would be nothing for them to do.
  for (const head of frame.querySelectorAll("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }

  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
})();
