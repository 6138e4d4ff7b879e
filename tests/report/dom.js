// As much of a document as the page's script asks for, built from a tree that Python has read from the page:
// [tag, attributes, children or text]. Then the script runs, and the steps that a test gives.
"use strict";
const fs = require("fs");
const { tree, script, steps } = JSON.parse(fs.readFileSync(0, "utf8"));

class Element {
  constructor(tag) {
    this.tagName = tag;
    this.attributes = {};
    this.childNodes = [];
    this.parentNode = null;
    this.listeners = {};
    const classes = () => (this.attributes.class ?? "").split(" ").filter(Boolean);
    this.classList = {
      add: (name) => (this.attributes.class = [...new Set([...classes(), name])].join(" ")),
      remove: (name) => (this.attributes.class = classes().filter((one) => one !== name).join(" ")),
      contains: (name) => classes().includes(name),
    };
  }
  get id() { return this.attributes.id ?? ""; }
  get children() { return this.childNodes.filter((node) => node instanceof Element); }
  get dataset() {
    return Object.fromEntries(
      Object.entries(this.attributes).filter(([k]) => k.startsWith("data-")).map(([k, v]) => [k.slice(5), v]),
    );
  }
  get textContent() {
    return this.childNodes.map((node) => (node instanceof Element ? node.textContent : node)).join("");
  }
  set textContent(text) { this.childNodes = [text]; }
  get cells() { return this.children.filter((one) => ["td", "th"].includes(one.tagName)); }
  get rows() { return this.children.filter((one) => one.tagName === "tr"); }
  get cellIndex() { return this.parentNode.cells.indexOf(this); }
  get nextElementSibling() { return this.sibling(1); }
  get previousElementSibling() { return this.sibling(-1); }
  sibling(by) {
    const all = this.parentNode.children;
    return all[all.indexOf(this) + by] ?? null;
  }
  getAttribute(name) { return this.attributes[name] ?? null; }
  setAttribute(name, value) { this.attributes[name] = value; }
  removeAttribute(name) { delete this.attributes[name]; }
  append(...nodes) {
    for (const node of nodes) {
      if (node instanceof Element) {
        node.remove();
        node.parentNode = this;
      }
      this.childNodes.push(node);
    }
  }
  remove() {
    if (this.parentNode) this.parentNode.childNodes = this.parentNode.childNodes.filter((one) => one !== this);
    this.parentNode = null;
  }
  *all() {
    for (const child of this.children) {
      yield child;
      yield* child.all();
    }
  }
  // One or two words: a tag, .class, [attribute] or tag[attribute], below another.
  querySelectorAll(selector) {
    const words = selector.split(" ");
    const fits = (element, word) => {
      const [, tag, name, attribute] = /^([a-z]*)(?:\.([\w-]+))?(?:\[([\w-]+)\])?$/.exec(word);
      return (
        (!tag || element.tagName === tag) &&
        (!name || element.classList.contains(name)) &&
        (!attribute || attribute in element.attributes)
      );
    };
    const below = (element) => {
      for (let at = element.parentNode; at; at = at.parentNode) if (fits(at, words[0])) return true;
      return false;
    };
    return [...this.all()].filter((one) => fits(one, words.at(-1)) && (words.length === 1 || below(one)));
  }
  querySelector(selector) { return this.querySelectorAll(selector)[0] ?? null; }
  addEventListener(kind, listener) { (this.listeners[kind] ??= []).push(listener); }
  scrollIntoView() {}
  // An event on its way up.
  fire(kind, more = {}) {
    const event = { target: this, preventDefault() {}, ...more };
    for (let at = this; at; at = at.parentNode) (at.listeners[kind] ?? []).forEach((listener) => listener(event));
  }
}

function built([tag, attributes, children]) {
  const element = new Element(tag);
  element.attributes = attributes;
  element.append(...children.map((child) => (typeof child === "string" ? child : built(child))));
  return element;
}

const document = new Element("document");
document.append(built(tree));
document.getElementById = (id) => [...document.all()].find((one) => one.id === id) ?? null;
document.createElement = (tag) => new Element(tag);
document.createElementNS = (_, tag) => new Element(tag);
const listeners = {};
new Function("document", "addEventListener", script)(document, (kind, listener) => (listeners[kind] = listener));
const told = new Function("document", "fireWindow", `${steps}`)(document, (kind) => listeners[kind]());
process.stdout.write(JSON.stringify(told));
