"use strict";

/* The unit explorer. The address after # holds all that was chosen; data are loaded when they are
   needed, by scripts, because a page from the file system may not fetch files. Text from the data
   reaches the page as text only, never as HTML. */

// --- data -----------------------------------------------------------------------------------

const delivered = new Map();
const requested = new Map();

// What every data file calls.
window.explorer = {
  deliver(name, header, text) {
    delivered.set(name, { header, text });
  },
};

/** Load `data/<name>.js` once; resolves to its facts and its columns. */
function load(name) {
  if (!requested.has(name)) {
    const arrived = run(`data/${name.split("/").map(encodeURIComponent).join("/")}.js`)
      .then(() => decode(name));
    arrived.catch(() => requested.delete(name));
    requested.set(name, arrived);
  }
  return requested.get(name);
}

function run(path) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = path;
    script.onload = () => { script.remove(); resolve(); };
    script.onerror = () => {
      script.remove();
      reject(new Error(`${path} is not there. Copy or unpack the whole folder of the explorer.`));
    };
    document.head.append(script);
  });
}

const TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };

async function decode(name) {
  if (!delivered.has(name)) throw new Error(`data/${name}.js is damaged. Build the explorer again.`);
  const { header, text } = delivered.get(name);
  delivered.delete(name);
  const deflated = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const columns = {};
  let start = 0;
  for (const { name: column, type, shape } of header.columns) {
    const count = shape.reduce((product, length) => product * length, 1);
    const size = Number(type[1]);
    const own = new Uint8Array(count * size);
    // The file has the first bytes of all values, then the second bytes, and so on.
    for (let place = 0; place < size; place += 1) {
      for (let row = 0; row < count; row += 1) own[row * size + place] = bytes[start + row];
      start += count;
    }
    const rows = shape[0];
    columns[column] = {
      values: new TYPES[type](own.buffer), width: rows ? count / rows : 0, shape,
    };
  }
  return { ...header, columns };
}

/** The values of one row of a column. */
function row(column, index) {
  return column.values.subarray(index * column.width, (index + 1) * column.width);
}

// --- what was chosen ------------------------------------------------------------------------

const MEASURES = {
  mis_soft: "MIS (soft)",
  mis_hard: "MIS (hard)",
  monosemanticity: "Monosemanticity",
  label_purity: "Label purity",
  class_selectivity: "Class selectivity",
};
const OTHER_SCORES = { mean_delta: "Mean delta", tied_fraction: "Tied" };
const SORTS = {
  change: "Largest change",
  unchanged: "Smallest change",
  loss: "Largest loss first",
  gain: "Largest gain first",
  place: "Layer by layer",
  dense_high: "Highest score in dense",
  dense_low: "Lowest score in dense",
  other_high: "Highest score in the other",
  other_low: "Lowest score in the other",
};
// Which units the list has, by whether each of the two networks has them alive.
const SHOWN = {
  all: { title: "all units", has: () => true },
  live: { title: "units that are live in both networks", has: (dense, other) => dense && other },
  constant: { title: "units that are constant in one or both", has: (dense, other) => !dense || !other },
};
const ORDER_OF_TASKS = ["Hardest", "Middle", "Easiest"];
const DEFAULTS = { layer: "", shown: "all", measure: "mis_soft", sort: "change", task: "0" };

let study;          // data/study.js, with `start`, the first unit, of every layer
let state;          // {network, unit, layer, shown, measure, sort, task}
let order = [];     // numbers of the units in the list
let drawing = 0;    // counts renderings, so that a slow one does not overwrite a later one
let arriving = 0;   // counts arrivals at an address, for the same reason

/** What the address asks for, and what it asks for that is not here, in words. Where it names no
    unit, that is the first one of the list. */
async function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const chosen = { ...DEFAULTS };
  const [network, instead] = networkAt(asked.get("network"));
  chosen.network = network.name;
  if (study.layers.some((layer) => layer.name === asked.get("layer"))) {
    chosen.layer = asked.get("layer");
  }
  if (Object.hasOwn(SHOWN, asked.get("shown"))) chosen.shown = asked.get("shown");
  if (Object.hasOwn(MEASURES, asked.get("measure"))) chosen.measure = asked.get("measure");
  if (Object.hasOwn(SORTS, asked.get("sort"))) chosen.sort = asked.get("sort");
  if (["0", "1", "2"].includes(asked.get("task"))) chosen.task = asked.get("task");
  const unit = unitAt(asked.get("unit"));
  chosen.unit = unit ?? await firstUnit(chosen);
  const missing = [instead];
  if (asked.get("unit") && unit === null) {
    missing.push(`There is no unit ${asked.get("unit")}: the first of the list is shown.`);
  }
  return [chosen, missing.filter(Boolean), asked.has("network") || unit !== null];
}

/** The network of a name, or the one to show instead, and why in words. */
function networkAt(name) {
  const found = [...study.others, ...study.trivial].find((other) => other.name === name);
  if (found || !name) return [found || study.first, ""];
  const kind = kindOf(name);
  const run = study.others.find((other) => kindOf(other.name) === kind);
  const alike = run || study.first;
  const why = kind === kindOf(study.networks.find(isDense).name)
    ? "The dense network stands at the left of every other; beside it is"
    : `This ${study.copy ? "copy" : "study"} has no network ${name}; instead is`;
  return [alike, `${why} shown ${networkTitle(alike)}${run ? ", another run of it" : ""}.`];
}

/** The part of a network's name that all runs share. */
function kindOf(name) {
  return name.replace(/\/seed\d+$/, "");
}

/** The first unit of the list. Where scores cannot be loaded, `render` says why. */
async function firstUnit(chosen) {
  try {
    const { dense, other } = await scoresOf(chosen);
    return listUnits(chosen, dense, other)[0] ?? 0;
  } catch {
    return 0;
  }
}

/** Show what the address asks for. */
async function arrive() {
  arriving += 1;
  const own = arriving;
  const [chosen, missing, asked] = await readAddress();
  if (own !== arriving) return;
  state = chosen;
  $("main").hidden = false;
  writeAddress();
  describeOpening(missing, asked);
  await render();
}

function address() {
  const parts = new URLSearchParams({ unit: unitName(state.unit, "/"), network: state.network });
  for (const [key, usual] of Object.entries(DEFAULTS)) {
    if (state[key] !== usual) parts.set(key, state[key]);
  }
  return `#${String(parts).replaceAll("%2F", "/")}`;
}

let pending = 0;

function writeAddress() {
  clearTimeout(pending);
  pending = 0;
  history.replaceState(null, "", address());
}

/** Change what is chosen. A `step` (moving along the list) leaves no entry in the history, and
    waits until the moving is over: browsers refuse hundreds of changes within seconds. */
function choose(changes, { step = false } = {}) {
  if (!step) {
    if (pending) writeAddress();
    state = { ...state, ...changes };
    if (address() !== location.hash) history.pushState(null, "", address());
  } else {
    state = { ...state, ...changes };
    clearTimeout(pending);
    pending = setTimeout(writeAddress, 150);
  }
  return render();
}

// --- units and networks ---------------------------------------------------------------------

function layerOf(unit) {
  return study.layers.findLast((layer) => layer.start <= unit);
}

function unitName(unit, between = " · ") {
  const layer = layerOf(unit);
  return `${layer.name}${between}${unit - layer.start}`;
}

/** The number of the unit that `layer/number` names; null if there is none. */
function unitAt(name) {
  const [, layerName, number] = /^(.*)\/(\d+)$/.exec(name || "") || [];
  const layer = study.layers.find((other) => other.name === layerName);
  return layer && Number(number) < layer.units ? layer.start + Number(number) : null;
}

function plain(name) {
  return name.replaceAll("_", " ");
}

function networkTitle(network) {
  if (isTrivial(network)) return network.title;
  const parts = [plain(network.method)];
  if (network.retraining !== "none") parts.push(plain(network.retraining));
  else if (Number(network.rate)) parts.push("not retrained");
  if (Number(network.rate)) parts.push(`rate ${network.rate}`);
  if (study.seeds > 1) parts.push(`seed ${network.seed}`);
  return parts.join(", ");
}

function denseOf(network) {
  return study.networks.find((other) => isDense(other) && other.seed === network.seed);
}

/** The network or trivial unit that stands at the right. */
function chosenNetwork(chosen) {
  return [...study.networks, ...study.trivial].find(({ name }) => name === chosen.network);
}

function isTrivial(network) {
  return network.method === "trivial";
}

function isDense(network) {
  return network.method === "dense" && network.retraining === "none";
}

/** A trivial unit as a network of which every unit is this one. */
async function loadTrivial({ place }) {
  const { columns } = await load("trivial/scores");
  const units = study.layers.reduce((sum, layer) => sum + layer.units, 0);
  const before = columns.constant.values.subarray(0, place);
  const live = before.filter((constant) => !constant).length;
  return {
    columns: Object.fromEntries(Object.entries(columns).map(
      ([name, { values }]) => [name, { values: new Float32Array(units).fill(values[place]) }],
    )),
    row: new Int32Array(units).fill(live),
    live: 1,
  };
}

/** The scores of a network, with `row`: the place of every live unit among the live ones. */
async function loadScores(name) {
  const scores = await load(`${name}/scores`);
  if (!scores.row) {
    let live = 0;
    scores.row = Int32Array.from(scores.columns.constant.values, (constant) => constant ? -1 : live++);
    scores.live = live;
  }
  return scores;
}

/** The images of the live units of a network, and those of their tasks where this copy has them. */
async function loadImages(network) {
  const name = isTrivial(network) ? "trivial" : network.name;
  const [images, tasks] = await Promise.all([
    load(`${name}/images`), hasTasks(network) ? load(`${name}/tasks`) : { columns: {} },
  ]);
  return { columns: { ...images.columns, ...tasks.columns } };
}

function hasTasks(network) {
  return isTrivial(network) || !study.copy || study.copy.tasks.includes(network.name);
}

/** A score of a unit; NaN for a constant unit, of which no score means anything. */
function score(scores, measure, unit) {
  return scores.row[unit] < 0 ? NaN : scores.columns[measure].values[unit];
}

// --- making elements ------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function fixed(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  const rounded = value.toFixed(digits);
  return (Number(rounded) === 0 ? rounded.replace("-", "") : rounded).replace("-", "−");
}

function signed(value) {
  const text = fixed(value);
  return Number.isFinite(value) && text[0] !== "−" && Number(text) !== 0 ? `+${text}` : text;
}

function activationText(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const text = size < 1e-4 || size >= 1e5 ? value.toExponential(1)
    : size >= 100 ? value.toFixed(0) : value.toPrecision(3);
  return text.replaceAll("-", "−");
}

function percent(value) {
  return `${(100 * value).toFixed(1)} %`;
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// --- controls -------------------------------------------------------------------------------

function fillControls() {
  const groups = new Map();
  for (const network of study.others) {
    if (!groups.has(network.method)) {
      const label = network.method === "dense" ? "control: dense" : plain(network.method);
      groups.set(network.method, make("optgroup", { label }));
    }
    const text = `${networkTitle(network)} (top-1 ${percent(network.top1)})`;
    groups.get(network.method).append(make("option", { value: network.name }, text));
  }
  const kinds = {
    statistic: "control: statistics of the image",
    projection: "control: random projections of the pixels",
    class_detector: "control: ideal detectors of a class",
  };
  for (const unit of study.trivial) {
    if (!groups.has(unit.kind)) groups.set(unit.kind, make("optgroup", { label: kinds[unit.kind] }));
    const text = `${unit.title} (MIS ${fixed(unit.mis_soft)})`;
    groups.get(unit.kind).append(make("option", { value: unit.name }, text));
  }
  $("network").append(...groups.values());
  const units = study.layers.reduce((sum, layer) => sum + layer.units, 0);
  $("layer").append(
    make("option", { value: "" }, `all layers (${counted(units, "unit")})`),
    ...study.layers.map(({ name, units: own }) => make("option", { value: name }, `${name} (${own})`)),
  );
  const shown = Object.entries(SHOWN).map(([key, { title }]) => [key, title]);
  for (const [id, names] of [["shown", Object.fromEntries(shown)], ["measure", MEASURES], ["sort", SORTS]]) {
    $(id).append(...Object.entries(names).map(([value, text]) => make("option", { value }, text)));
  }
}

function connectControls() {
  $("network").addEventListener("change", (event) => choose({ network: event.target.value }));
  // Whoever asks for other units wants to see the first of them.
  for (const id of ["layer", "shown", "measure", "sort"]) {
    $(id).addEventListener("change", async (event) => {
      const asked = { [id]: event.target.value };
      const { dense, other } = await scoresOf({ ...state, ...asked });
      const first = listUnits({ ...state, ...asked }, dense, other)[0];
      $("list").scrollTop = 0;
      // A list may be empty: then the unit stays.
      choose({ ...asked, unit: first ?? state.unit });
    });
  }
  $("tasks").addEventListener("change", (event) => choose({ task: event.target.value }));
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("previous").addEventListener("click", () => move(-1));
  $("next").addEventListener("click", () => move(1));
  $("copy").addEventListener("click", copyLink);
  $("skip").addEventListener("click", (event) => {
    event.preventDefault();
    $("unit-title").focus();
  });
  $("list").addEventListener("scroll", renderRows);
  $("list").addEventListener("keydown", moveByKey);
  $("rows").addEventListener("click", (event) => {
    const clicked = event.target.closest(".row");
    if (clicked) choose({ unit: Number(clicked.dataset.unit) });
  });
  window.addEventListener("resize", renderRows);
  window.addEventListener("popstate", () => {
    clearTimeout(pending);
    pending = 0;
    arrive();
  });
}

function move(distance) {
  if (!order.length) return;
  const place = order.indexOf(state.unit);
  const wanted = place < 0 ? 0 : Math.min(Math.max(place + distance, 0), order.length - 1);
  choose({ unit: order[wanted] }, { step: true });
}

function moveByKey(event) {
  const page = Math.max(1, Math.floor($("list").clientHeight / rowHeight()) - 1);
  const distances = {
    ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -order.length, End: order.length,
  };
  if (Object.hasOwn(distances, event.key) && !event.altKey && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    move(distances[event.key]);
  }
}

async function copyLink() {
  writeAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    $("announcement").textContent = "The link to this unit is in the clipboard.";
  } catch {
    $("announcement").textContent = "The browser does not allow copying: the link is the address of this page.";
  }
}

// --- the list of units ----------------------------------------------------------------------

function listUnits(chosen, dense, other) {
  const layer = study.layers.find(({ name }) => name === chosen.layer);
  const [start, end] = layer ? [layer.start, layer.start + layer.units] : [0, dense.row.length];
  const { has } = SHOWN[chosen.shown];
  const units = Array.from({ length: end - start }, (_, place) => start + place)
    .filter((unit) => has(dense.row[unit] >= 0, other.row[unit] >= 0));
  const of = (scores) => (unit) => score(scores, chosen.measure, unit);
  const change = (unit) => of(other)(unit) - of(dense)(unit);
  const keys = {
    loss: change,
    gain: (unit) => -change(unit),
    change: (unit) => -Math.abs(change(unit)),
    unchanged: (unit) => Math.abs(change(unit)),
    dense_high: (unit) => -of(dense)(unit),
    dense_low: of(dense),
    other_high: (unit) => -of(other)(unit),
    other_low: of(other),
  };
  const key = keys[chosen.sort];
  if (!key) return units;
  const values = new Map(units.map((unit) => [unit, key(unit)]));
  return units.sort((one, two) => {
    const [first, second] = [values.get(one), values.get(two)];
    if (Number.isNaN(first) || Number.isNaN(second)) {
      return Number.isNaN(first) - Number.isNaN(second) || one - two;
    }
    return first - second || one - two;
  });
}

function rowHeight() {
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
}

let listed = {};    // the scores that the list shows

function renderList(dense, other) {
  listed = { dense, other };
  order = listUnits(state, dense, other);
  const constant = order.filter((unit) => dense.row[unit] < 0 || other.row[unit] < 0).length;
  $("count").textContent = `${counted(order.length, "unit")}, of which ${constant.toLocaleString("en")}`
    + ` ${constant === 1 ? "is" : "are"} constant in one of the two networks.`;
  $("rows").style.height = `${order.length * rowHeight()}px`;
  const place = order.indexOf(state.unit);
  if (place >= 0) {
    const [list, height] = [$("list"), rowHeight()];
    const top = place * height;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + height > list.scrollTop + list.clientHeight) {
      list.scrollTop = top + height - list.clientHeight;
    }
  }
  renderRows();
}

/** Only the rows that can be seen, and a few around them, are in the page. */
function renderRows() {
  const { dense, other } = listed;
  if (!dense) return;
  const [list, height] = [$("list"), rowHeight()];
  const first = Math.max(0, Math.floor(list.scrollTop / height) - 5);
  const last = Math.min(order.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + 5);
  const rows = [];
  for (let place = first; place < last; place += 1) {
    const unit = order[place];
    const scores = [dense, other].map((scored) => score(scored, state.measure, unit));
    const texts = scores.map((value) => Number.isNaN(value) ? "const." : fixed(value));
    const cells = [...texts, signed(scores[1] - scores[0])];
    const item = make("div", {
      class: "row", role: "option", id: `option-${unit}`, "data-unit": unit,
      "aria-selected": unit === state.unit, "aria-posinset": place + 1, "aria-setsize": order.length,
      "aria-label": `${unitName(unit, ", unit ")}: dense ${spoken(texts[0])}, `
        + `other ${spoken(texts[1])}, change ${spoken(cells[2])}`,
      title: unitName(unit),
    }, rowName(unit), ...cells.map((text) => make("span", {}, text)));
    item.style.top = `${place * height}px`;
    rows.push(item);
  }
  $("rows").replaceChildren(...rows);
  const shown = rows.some((item) => item.id === `option-${state.unit}`);
  if (shown) list.setAttribute("aria-activedescendant", `option-${state.unit}`);
  else list.removeAttribute("aria-activedescendant");
}

function rowName(unit) {
  const layer = layerOf(unit);
  return make("span", { class: "name" },
    make("span", {}, layer.name), make("span", {}, `unit ${unit - layer.start}`));
}

function spoken(text) {
  return { "const.": "constant", "–": "none" }[text] || text;
}

// --- the chosen unit ------------------------------------------------------------------------

async function scoresOf(chosen) {
  const network = chosenNetwork(chosen);
  const [dense, other] = await Promise.all([
    loadScores(denseOf(network).name),
    isTrivial(network) ? loadTrivial(network) : loadScores(network.name),
  ]);
  return { dense, other };
}

async function render() {
  drawing += 1;
  const own = drawing;
  const network = chosenNetwork(state);
  const pair = [denseOf(network), network];
  $("main").setAttribute("aria-busy", "true");
  try {
    const { dense, other } = await scoresOf(state);
    if (own !== drawing) return;
    for (const id of ["network", "layer", "shown", "measure", "sort"]) $(id).value = state[id];
    renderList(dense, other);
    renderHeading(dense, other, network);
    renderNumbers(dense, other, network);
    const images = await Promise.all(pair.map(loadImages));
    if (own !== drawing) return;
    renderNetworks(pair, [dense, other], images);
    $("problem").hidden = true;
    $("main").setAttribute("aria-busy", "false");
  } catch (error) {
    if (own !== drawing) return;
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  }
}

function renderHeading(dense, other, network) {
  const layer = layerOf(state.unit);
  const number = state.unit - layer.start;
  const name = unitName(state.unit);
  $("unit-title").textContent = name;
  document.title = `${name} – ${study.study} – unit explorer`;
  const logit = layer.type === "linear" && layer.units === study.classes.length;
  $("unit-kind").textContent = logit ? `output for the class “${study.classes[number]}”`
    : `channel ${number} of ${layer.units} (${layer.type})`;
  const together = groupText(layer.name.replace(/@\d+$/, ""), number);
  $("unit-group").hidden = !together;
  $("unit-group").textContent = together;
  const scores = [dense, other].map((scored) => score(scored, state.measure, state.unit));
  const [was, is] = scores.map((value) => Number.isNaN(value) ? "constant" : fixed(value));
  // The list tells of its units itself.
  $("announcement").setAttribute("aria-live", document.activeElement === $("list") ? "off" : "polite");
  $("announcement").textContent = `${MEASURES[state.measure]}: ${was} dense, ${is} in ${networkTitle(network)}.`;
  const place = order.indexOf(state.unit);
  // Not `disabled`: a button that has the focus would lose it.
  $("previous").setAttribute("aria-disabled", place === 0);
  $("next").setAttribute("aria-disabled", place === order.length - 1);
}

/** The number of the piece of a group that a channel of one of its places belongs to; -1 if none. */
function pieceAt({ piece, pieces, first, size, step }, channel) {
  for (let number = 0; number < pieces; number += 1) {
    const within = channel - first - number * step;
    if (within >= 0 && within < size) return piece + number;
  }
  return -1;
}

/** What can only be pruned together with a unit, in words; empty if that is unknown. */
function groupText(layer, channel) {
  for (const { number, pieces, left_whole: whole, places } of study.groups) {
    for (const own of places) {
      const piece = own.side === "out" && own.name === layer ? pieceAt(own, channel) : -1;
      if (piece < 0) continue;
      const told = { out: [], in: [], carried: [] };
      for (const place of places) {
        if (place.piece !== own.piece) continue;
        const start = place.first + (piece - place.piece) * place.step;
        const end = start + place.size - 1;
        told[place.side].push(`${place.name} ${end > start ? `${start}–${end}` : start}`);
      }
      const parts = [["made by", told.out], ["read by", told.in], ["carried by", told.carried]]
        .filter(([, names]) => names.length).map(([words, names]) => `${words} ${someOf(names)}`);
      return `Channel group ${number}, piece ${piece} of ${pieces}: ${parts.join("; ")}.`
        + (whole ? ` Left whole: ${whole}.` : "");
    }
  }
  return "";
}

const MOST_NAMES = 6;

function someOf(names) {
  const more = names.length - MOST_NAMES;
  return names.slice(0, MOST_NAMES).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function renderNumbers(dense, other, network) {
  $("other-head").textContent = networkTitle(network);
  const rows = Object.entries({ ...MEASURES, ...OTHER_SCORES }).map(([measure, label]) => {
    const [was, is] = [dense, other].map((scored) => score(scored, measure, state.unit));
    return make("tr", measure === state.measure ? { class: "chosen" } : {},
      make("th", { scope: "row" }, label),
      make("td", {}, fixed(was)), make("td", {}, fixed(is)), make("td", {}, signed(is - was)));
  });
  $("scores").replaceChildren(...rows);
  $("distribution-title").textContent = `${MEASURES[state.measure]} of the live units: `
    + `${counted(dense.live, "unit")} in dense (solid)`
    + (isTrivial(network) ? "" : `, ${counted(other.live, "unit")} in ${networkTitle(network)} (dashed)`);
  $("distribution").replaceChildren(drawDistribution([dense, other], isTrivial(network)));
}

const BINS = 40;

/** How the score is distributed in both networks, and where this unit stands. A `single` other unit
    has no distribution. */
function drawDistribution(pair, single) {
  const width = 480;
  const [top, bottom] = [40, 130];
  const live = pair.map((scores) => Array.from(scores.columns[state.measure].values)
    .filter((value, unit) => scores.row[unit] >= 0 && Number.isFinite(value)));
  const all = live.flat();
  if (!all.length) return make("p", {}, "No unit has this score.");
  const lowest = all.reduce((one, two) => Math.min(one, two), Infinity);
  const highest = all.reduce((one, two) => Math.max(one, two), -Infinity);
  const ticks = niceTicks(lowest, highest);
  const [low, high] = [ticks[0], ticks[ticks.length - 1]];
  const across = (value) => 12 + ((width - 24) * (value - low)) / (high - low);
  const shares = live.map((values) => {
    const bins = new Array(BINS).fill(0);
    for (const value of values) {
      bins[Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low)))] += 1 / values.length;
    }
    return bins;
  });
  const tallest = Math.max(...(single ? shares[0] : shares.flat()));
  const parts = [draw("line", { class: "axis", x1: 12, x2: width - 12, y1: bottom, y2: bottom })];
  for (const tick of ticks) {
    parts.push(
      draw("line", { class: "axis", x1: across(tick), x2: across(tick), y1: bottom, y2: bottom + 4 }),
      draw("text", { x: across(tick), y: bottom + 16, "text-anchor": "middle" }, fixed(tick, 2)),
    );
  }
  const words = ["dense", "other"];
  shares.forEach((bins, side) => {
    if (!live[side].length || (single && side)) return;
    const steps = bins.map((share, bin) => {
      const height = bottom - ((bottom - top) * share) / tallest;
      return `H${across(low + ((high - low) * bin) / BINS)}V${height}`;
    });
    const path = `M12 ${bottom}${steps.join("")}H${width - 12}V${bottom}`;
    parts.push(draw("path", { class: `curve ${words[side]}`, d: path }));
  });
  pair.forEach((scores, side) => {
    const value = score(scores, state.measure, state.unit);
    if (!Number.isFinite(value)) return;
    const [place, height] = [across(value), 12 + 14 * side];
    const left = place > width / 2;
    parts.push(
      draw("line", { class: `mark ${words[side]}`, x1: place, x2: place, y1: height - 9, y2: bottom }),
      draw("text", {
        class: `own ${words[side]}`, x: place + (left ? -5 : 5), y: height, "text-anchor": left ? "end" : "start",
      }, `this unit, ${side ? "other" : "dense"}: ${fixed(value)}`),
    );
  });
  return draw("svg", {
    viewBox: `0 0 ${width} 150`, role: "img",
    "aria-label": `${$("distribution-title").textContent}. This unit: dense ${pair.map(
      (scores) => spoken(fixed(score(scores, state.measure, state.unit)))).join(", other ")}.`,
  }, ...parts);
}

/** Four to nine round numbers that enclose a range. */
function niceTicks(low, high) {
  const span = Math.max(high - low, 1e-6);
  const power = 10 ** Math.floor(Math.log10(span));
  const step = [0.1, 0.2, 0.5, 1, 2].map((factor) => factor * power).find((size) => span / size <= 6);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, place) => (first + place) * step);
}

function renderNetworks(pair, scores, images) {
  const rows = scores.map((scored) => scored.row[state.unit]);
  const live = rows.map((place) => place >= 0);
  const tasks = images.map(({ columns }, side) => live[side] && columns.task ? columns.task.width : 0);
  $("tasks").hidden = !live.some(Boolean);
  $("tasks").querySelector("fieldset").hidden = !Math.max(...tasks);
  const choices = [...document.querySelectorAll("#tasks input")];
  choices.forEach((choice, place) => { choice.parentElement.hidden = place >= Math.max(...tasks); });
  const task = Math.min(Number(state.task), Math.max(1, ...tasks) - 1);
  choices[task].checked = true;
  const deltas = images.map(({ columns }, side) => live[side] ? row(columns.delta, rows[side]) : []);
  const range = niceTicks(Math.min(0, ...deltas.flatMap((own) => [...own])),
    Math.max(0, ...deltas.flatMap((own) => [...own])));
  const before = live[0] ? new Set(row(images[0].columns.strongest, rows[0])) : new Set();
  ["left", "right"].forEach((id, side) => {
    const title = side ? networkTitle(pair[1]) : `dense${study.seeds > 1 ? `, seed ${pair[0].seed}` : ""}`;
    const { columns } = images[side];
    const place = rows[side];
    $(id).replaceChildren(
      heading(id, title),
      make("p", {}, isTrivial(pair[side]) ? `The same unit beside all units of the dense network. It needs no network: `
        + "it shows what such a unit scores." : `Top-1 ${percent(pair[side].top1)}; ${pair[side].live_units.toLocaleString("en")} of `
        + `${scores[side].row.length.toLocaleString("en")} units live, mean MIS (soft) ${fixed(pair[side].mis_soft_live ?? NaN)}`),
      live[side] ? extremes(columns, place, title, side ? before : null)
        : make("p", { class: "empty" }, "Constant: this unit responds alike to every probe image in this "
          + "network, as pruned channels do. No image excites it more than another, so there are no images "
          + "to show, and its score means nothing."),
    );
    $(`${id}-tasks`).replaceChildren(
      heading(`${id}-tasks`, title),
      ...live[side] ? taskParts(columns, place, { task, range, title })
        : [make("p", {}, "Constant: no tasks that mean anything.")],
    );
  });
}

function heading(id, title) {
  return make("h3", { id: `${id}-title` }, title[0].toUpperCase() + title.slice(1));
}

/** The images that excite a unit most and least; `before` are the strongest of the dense network. */
function extremes(columns, place, title, before) {
  const sides = [["strongest", "Excites it most"], ["weakest", "Excites it least"]].map(([side, heading]) => {
    const images = [...row(columns[side], place)];
    const activations = [...row(columns[`${side}_activation`], place)];
    const notes = [classCounts(images)];
    if (side === "strongest" && before && before.size) {
      notes.push(`${images.filter((image) => before.has(image)).length} of ${images.length} also in dense.`);
    }
    if (images.length > 1 && activations.every((value) => value === activations[0])) {
      notes.push("All respond alike: chance chose them.");
    }
    return make("div", { class: "side" },
      make("h4", {}, heading),
      thumbs(images, { label: `${heading}, ${title}`, activations }),
      ...notes.map((text) => make("p", {}, text)));
  });
  return make("div", { class: "sides" }, ...sides);
}

function classCounts(images) {
  const counts = new Map();
  for (const image of images) counts.set(className(image), (counts.get(className(image)) || 0) + 1);
  return [...counts].sort((one, two) => two[1] - one[1]).map(([name, count]) => `${count} ${name}`).join(", ");
}

function className(image) {
  return study.classes[study.columns.label.values[image]];
}

/** A list of images; each has its class and its activation as its description. */
function thumbs(images, { label, activations = null, kind = "" }) {
  const across = Math.ceil(Math.sqrt(images.length));
  const items = images.map((image, place) => {
    const text = activations && activationText(activations[place]);
    const described = `${className(image)}${text ? `, activation ${text}` : ""}`;
    const item = make("li", {}, thumbnail(image, described));
    if (text) item.append(make("span", { "aria-hidden": "true" }, text));
    return item;
  });
  const list = make("ol", { class: `thumbs ${kind}`, role: "list", "aria-label": label }, ...items);
  list.style.setProperty("--across", across);
  return list;
}

function thumbnail(image, described) {
  const { names, columns } = study.sheets;
  const [sheet, cell] = [Math.floor(image / columns ** 2), image % columns ** 2];
  const element = make("span", {
    class: "image", role: "img", "aria-label": described, title: `${described} (probe image ${image})`,
  });
  element.style.backgroundImage = `url("images/${names[sheet]}")`;
  element.style.setProperty("--x", cell % columns);
  element.style.setProperty("--y", Math.floor(cell / columns));
  return element;
}

/** The delta of every task as a point; the chosen one is filled. */
function drawDeltas(deltas, chosen, range) {
  const width = 400;
  const [low, high] = [range[0], range[range.length - 1]];
  const across = (value) => 12 + ((width - 24) * (value - low)) / (high - low);
  const dots = [...deltas.keys()].map((task) => ({ task, delta: deltas[task] }));
  // What is shown is drawn last, on top.
  dots.sort((one, two) => (one.task === chosen) - (two.task === chosen));
  const parts = [
    draw("line", { class: "axis", x1: 12, x2: width - 12, y1: 40, y2: 40 }),
    draw("line", { class: "zero", x1: across(0), x2: across(0), y1: 2, y2: 44 }),
    ...range.map((tick) => draw("text", { x: across(tick), y: 54, "text-anchor": "middle" }, fixed(tick, 2))),
    ...dots.map(({ task, delta }) => draw("circle", {
      class: task === chosen ? "dot shown" : "dot", cx: across(delta), cy: 10 + 11 * (task % 3), r: task === chosen ? 6 : 4.5,
    }, draw("title", {}, `task ${task + 1}: delta ${fixed(delta)}`))),
  ];
  const sorted = [...deltas].sort((one, two) => one - two);
  return draw("svg", {
    viewBox: `0 0 ${width} 58`, role: "img",
    "aria-label": `Deltas of the tasks, from ${fixed(sorted[0])} to ${fixed(sorted[sorted.length - 1])}; `
      + `above zero, the metric passes.${chosen < 0 ? "" : ` Shown below: ${fixed(deltas[chosen])}.`}`,
  }, ...parts);
}

function taskParts(columns, place, { task, range, title }) {
  const deltas = row(columns.delta, place);
  const passed = deltas.filter((other) => other > 0).length;
  const all = make("p", {}, `The metric passes ${passed} of ${counted(deltas.length, "task")}. `
    + "Each point is a task, by its delta:");
  if (!columns.task) {
    return [all, drawDeltas(deltas, -1, range), make("p", { class: "verdict" },
      `The images of these tasks are in the whole explorer, ${study.copy.whole}, and not in this copy.`)];
  }
  const number = row(columns.task, place)[task];
  const delta = deltas[number];
  const size = columns.positive.shape[2];
  const [strong, weak] = ["positive", "negative"].map(
    (side) => [...row(columns[side], place).subarray(task * size, (task + 1) * size)],
  );
  const name = ORDER_OF_TASKS[deltas.length < 3 && task ? 2 : task];
  const passes = delta > 0;
  const group = (heading, images, kind = "small") => make("div", {},
    make("h4", {}, heading),
    thumbs(images, { label: `${heading} of the ${name.toLowerCase()} task, ${title}`, kind }));
  return [
    all,
    drawDeltas(deltas, number, range),
    make("p", { class: "verdict" }, make("strong", {}, `${name} task`),
      ` (number ${number + 1}): delta ${fixed(delta)}. `,
      passes ? "Passed: the metric tells the queries apart." : "Failed: the metric confuses the queries."),
    make("div", { class: "task" },
      group("Strong examples", strong.slice(1)),
      make("div", {}, group("Strong query", strong.slice(0, 1), "queries"), group("Weak query", weak.slice(0, 1), "queries")),
      group("Weak examples", weak.slice(1))),
  ];
}

// --- start ----------------------------------------------------------------------------------

function describeStudy() {
  const { mis } = study;
  $("study").textContent = `${study.study}`;
  $("about").textContent = `Study ${study.study}, dataset ${study.dataset}: `
    + `${counted(study.networks.length, "network")}${study.copy ? ` of ${study.copy.networks}` : ""}, ${study.columns.label.values.length.toLocaleString("en")} probe images, `
    + `similarity by ${study.metric}; ${mis.tasks} tasks of ${mis.explanations} + ${mis.explanations} examples for each unit `
    + `(draw ${mis.draw}, tau ${mis.tau}). Scores with other probe images, metrics or draws do not compare with these.`;
  if (study.sheets.side <= 32) document.body.classList.add("pixels");
  document.body.style.setProperty("--columns", study.sheets.columns);
}

/** Say at what the page was opened, and why; `missing` is what was asked for and is not here. */
function describeOpening(missing, asked) {
  const { opening } = study;
  const [unit, network] = [unitName(state.unit), networkTitle(chosenNetwork(state))];
  const parts = [...missing];
  if (asked) {
    parts.push(`Opened at what the address asks for: ${unit}, in dense and in ${network}.`);
  } else if (opening) {
    const runs = opening.runs > 1 ? `, a mean of ${opening.runs} runs` : "";
    const control = opening.control === null ? ""
      : ` (dense retrained as often, without pruning: ${fixed(opening.control)})`;
    parts.push(`Opened at ${network}: `
      + (opening.able ? `of the ${opening.able} of ${counted(opening.kinds, "kind")} of pruned network that can still classify, `
        : "no kind of pruned network can still classify; of all of them, ")
      + `the one whose units differ most from dense, by ${fixed(opening.change)} of MIS (soft) on average${runs}${control}.`);
    parts.push(`${unit} is the first in the list: ${SORTS[state.sort].toLowerCase()}.`);
  } else {
    parts.push(`Opened at ${unit}, in dense and in ${network}: the study has no pruned network with live units.`);
  }
  $("opened").replaceChildren(parts.join(" "));
  if (asked && opening) $("opened").append(" ", make("a", { href: "#", id: "open-most" }, "Open what changed most"), ".");
  if (study.copy) {
    $("copied").textContent = `This copy came with a report. It has ${counted(study.networks.length, "network")} of `
      + `${study.copy.networks}, those of one run, and the images of tasks of ${study.copy.tasks.length}; `
      + `the whole explorer is ${study.copy.whole}, where the study was made.`;
  }
  $("copied").hidden = !study.copy;
}

async function start() {
  if (!("DecompressionStream" in window && "findLast" in Array.prototype)) {
    throw new Error("This browser is too old for the page: it needs Chrome 103, Firefox 113 or Safari 16.4, or later.");
  }
  study = await load("study");
  let units = 0;
  for (const layer of study.layers) {
    layer.start = units;
    units += layer.units;
  }
  study.seeds = new Set(study.networks.map(({ seed }) => seed)).size;
  const others = study.networks.filter((network) => !isDense(network));
  const pruned = others.filter(({ method }) => !["dense", "untrained"].includes(method));
  // A study may have no other network: then the dense one stands beside itself.
  study.others = others.length ? [...pruned, ...others.filter((other) => !pruned.includes(other))] : study.networks;
  // Beside a trivial unit stands the first dense network. The address has its name without spaces.
  const { seed } = study.networks.find(isDense);
  study.trivial = study.trivial.map((unit) => ({
    ...unit, seed, title: unit.name, name: `trivial/${unit.name.replaceAll(" ", "_")}`, method: "trivial",
  }));
  study.first = study.others.find(({ name }) => study.opening && name === study.opening.network) || study.others[0];
  describeStudy();
  fillControls();
  connectControls();
  await arrive();
}

start().catch((error) => {
  $("problem").textContent = error.message;
  $("problem").hidden = false;
});
