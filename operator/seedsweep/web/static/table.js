// All episodes in rank order, with the cuts between them. Of thousands of rows only those near the ones to be seen are
// in the document: laying out the others would take longer than all the rest of the page.

const SPARE = 50;

export class EpisodeTable {
  // `frame`: what scrolls. `sweep`: what is shown. `onPoint`, `onPin`: are told the index of an episode; the first, null.
  constructor(frame, sweep, { onPoint, onPin }) {
    this.frame = frame;
    this.sweep = sweep;
    this.table = frame.querySelector("table");
    this.body = frame.querySelector("tbody");
    this.above = this.body.appendChild(space());
    this.below = this.body.appendChild(space());
    // By index of the episode, and lines between them by their text: those that have been seen.
    this.rows = new Map();
    this.marked = null;
    const indexAt = (target) => {
      const row = target.closest("tr[data-index]");
      return row ? Number(row.dataset.index) : null;
    };
    frame.addEventListener("pointerover", (event) => onPoint(indexAt(event.target)));
    frame.addEventListener("pointerleave", () => onPoint(null));
    frame.addEventListener("click", (event) => {
      const index = indexAt(event.target);
      if (index !== null) onPin(index);
    });
    frame.addEventListener("scroll", () => this.arrange());
    frame.addEventListener("keydown", (event) => {
      const index = this.stepTo(event.key);
      if (index === null || event.target !== frame) return;
      event.preventDefault();
      if (index !== this.marked) onPin(index);
      this.reveal(index);
    });
  }

  // The episode that a key leads to; null where it leads nowhere.
  stepTo(key) {
    const shown = this.sweep.order.filter(([first]) => typeof first === "number").map(([index]) => index);
    const at = shown.indexOf(this.marked);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Home: 0, End: shown.length - 1 }[key];
    return shown[to] ?? null;
  }

  // Scroll as far as it takes to see its row below the headings.
  reveal(index) {
    const at = this.sweep.order.findIndex(([first]) => first === index);
    const [headings, height, { scrollTop, clientHeight }] = [this.table.tHead.offsetHeight, this.height(), this.frame];
    const last = headings + (at + 1) * height - clientHeight;
    this.frame.scrollTop = Math.min(at * height, Math.max(scrollTop, last));
    this.arrange();
  }

  mark(index) {
    this.rows.get(this.marked)?.row.classList.remove("on");
    this.rows.get(index)?.row.classList.add("on");
    this.marked = index;
  }

  // All anew.
  clear() {
    for (const { row } of this.rows.values()) row.remove();
    this.rows.clear();
    const longest = Math.max(...this.sweep.rows.map(({ name }) => name.length));
    this.table.style.setProperty("--name", `${longest + 5}ch`);
  }

  write(index) {
    const [known, told] = [this.rows.get(index), this.sweep.rows[index]];
    if (!known) return;
    known.row.className = index === this.marked ? `${told.kind} on` : told.kind;
    known.state.textContent = told.state;
    known.score.textContent = told.score;
    known.done.textContent = told.done;
    known.done.style.setProperty("--done", told.share);
  }

  // Rows that are to be seen, and some more, in their order; as few as possible are moved.
  arrange() {
    const { order } = this.sweep;
    const [height, { scrollTop, clientHeight }] = [this.height(), this.frame];
    const first = Math.max(0, Math.floor(scrollTop / height) - SPARE);
    const last = Math.min(order.length, Math.ceil((scrollTop + clientHeight) / height) + SPARE);
    let at = this.above.nextElementSibling;
    order.slice(first, last).forEach((entry, i) => {
      const row = this.rowOf(entry);
      row.ariaRowIndex = first + i + 2;
      if (row === at) {
        at = at.nextElementSibling;
      } else if (at.nextElementSibling === row) {
        // One that has fallen: it alone is moved, not all that were below it.
        at.remove();
        at = row.nextElementSibling;
      } else {
        this.body.insertBefore(row, at);
      }
    });
    while (at !== this.below) {
      const gone = at;
      at = at.nextElementSibling;
      gone.remove();
    }
    this.above.firstChild.style.height = `${first * height}px`;
    this.below.firstChild.style.height = `${(order.length - last) * height}px`;
    this.table.ariaRowCount = order.length + 1;
  }

  // Of a row: two of the page's own units, as its style sheet has it.
  height() {
    return 2 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  rowOf([first, second]) {
    const known = this.rows.get(first);
    if (typeof first === "string") {
      const line = known ?? { row: lineBetween(first) };
      line.row.className = second ? "line made" : "line";
      this.rows.set(first, line);
      return line.row;
    }
    if (!known) {
      this.rows.set(first, rowFor(first, this.sweep.rows[first].name));
      this.write(first);
    }
    const { row, rank } = this.rows.get(first);
    const ranked = String(second ?? "–");
    if (rank.textContent !== ranked) rank.textContent = ranked;
    return row;
  }
}

function rowFor(index, name) {
  const row = document.createElement("tr");
  row.dataset.index = index;
  const [, weightInit, dataOrder] = /^wi(\d+)-do(\d+)$/.exec(name);
  const rank = cell(row, "td", "");
  cell(row, "th", "text", name).scope = "row";
  cell(row, "td", "seed", weightInit);
  cell(row, "td", "seed", dataOrder);
  return { row, rank, state: cell(row, "td", "text"), score: cell(row, "td", ""), done: cell(row, "td", "done") };
}

function lineBetween(text) {
  const row = document.createElement("tr");
  cell(row, "th", "text", text).colSpan = 7;
  return row;
}

function space() {
  const row = document.createElement("tr");
  row.className = "space";
  row.ariaHidden = "true";
  cell(row, "td", "").colSpan = 7;
  return row;
}

function cell(row, tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  row.append(made);
  return made;
}
