// All episodes in rank order with the cuts between them, or sorted by another column. Of thousands of rows only those
// near the ones to be seen are in the document: laying out the others would take longer than all the rest of the page.

// More than a page of the keyboard, so that no gap is seen.
const SPARE = 20;
// By column, what an episode is sorted by; null is missing.
const KEYS = [
  (_, rank) => rank,
  ({ name }) => name,
  ({ name }) => seedsOf(name)[0],
  ({ name }) => seedsOf(name)[1],
  ({ state }) => state,
  ({ score }) => (score === "–" ? null : Number(score)),
  ({ done }) => parseInt(done),
];
const WORDS = new Intl.Collator("en", { numeric: true });

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
    this.headings = [...this.table.tHead.rows[0].cells];
    this.sortedBy = this.headings[0];
    this.order = [];
    this.top = 0;
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
    for (const heading of this.headings) heading.firstChild.addEventListener("click", () => this.sortBy(heading));
    frame.addEventListener("scroll", () => {
      this.top = frame.scrollTop;
      this.arrange();
    });
    frame.addEventListener("keydown", (event) => {
      const index = this.stepTo(event.key);
      if (index === null || event.target !== frame) return;
      event.preventDefault();
      if (index !== this.marked) onPin(index);
      this.reveal(index);
    });
    new ResizeObserver(() => {
      this.measure();
      this.arrange();
    }).observe(frame);
    this.measure();
  }

  // How high the frame and a row are: asked when that changes, for in the midst of an update the answer takes a layout.
  measure() {
    this.tall = this.frame.clientHeight;
    // Two of the page's own units, as its style sheet has it.
    this.height = 2 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  // By the column of a heading; by the one that it is sorted by already, the other way round.
  sortBy(heading) {
    const turned = heading.ariaSort === "ascending" ? "descending" : "ascending";
    this.sortedBy.ariaSort = null;
    this.sortedBy = heading;
    heading.ariaSort = turned;
    this.sort();
  }

  // All that is told in the order that is wanted. What is missing stays last, and equal ones as they are ranked.
  sort() {
    const { order, rows } = this.sweep;
    const [column, sign] = [this.headings.indexOf(this.sortedBy), this.sortedBy.ariaSort === "ascending" ? 1 : -1];
    if (column === 0 && sign === 1) {
      this.order = order;
    } else {
      const episodes = order.filter(([first]) => typeof first === "number");
      const keyed = episodes.map((entry) => [KEYS[column](rows[entry[0]], entry[1]), entry]);
      keyed.sort(([one], [other]) => {
        if (one === null || other === null) return (one === null) - (other === null);
        return sign * (typeof one === "number" ? one - other : WORDS.compare(one, other));
      });
      this.order = keyed.map(([, entry]) => entry);
    }
    this.arrange();
  }

  // The episode that a key leads to; null where it leads nowhere.
  stepTo(key) {
    const shown = this.order.filter(([first]) => typeof first === "number").map(([index]) => index);
    const at = shown.indexOf(this.marked);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Home: 0, End: shown.length - 1 }[key];
    return shown[to] ?? null;
  }

  // Scroll as far as it takes to see its row below the headings.
  reveal(index) {
    const at = this.order.findIndex(([first]) => first === index);
    const last = this.table.tHead.offsetHeight + (at + 1) * this.height - this.tall;
    this.frame.scrollTop = Math.min(at * this.height, Math.max(this.top, last));
    this.top = this.frame.scrollTop;
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
    for (const name of ["state", "score", "done"]) put(known[name], told[name]);
    known.done.style.setProperty("--done", told.share);
  }

  // Rows that are to be seen, and some more, in their order; as few as possible are moved.
  arrange() {
    const { order, height, top } = this;
    const first = Math.max(0, Math.floor(top / height) - SPARE);
    const last = Math.min(order.length, Math.ceil((top + this.tall) / height) + SPARE);
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
    put(rank, String(second ?? "–"));
    return row;
  }
}

function seedsOf(name) {
  return /^wi(\d+)-do(\d+)$/.exec(name).slice(1).map(Number);
}

// What stays as it is need not be laid out again.
function put(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}

function rowFor(index, name) {
  const row = document.createElement("tr");
  row.dataset.index = index;
  const [weightInit, dataOrder] = seedsOf(name);
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
