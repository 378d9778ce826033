"use strict";
// Everything that comes from devices and clients enters the page as text, never as HTML.

const by = (id) => document.getElementById(id);
const svgNames = "http://www.w3.org/2000/svg";

// element makes an element with a class, and text or elements in it.
function element(tag, kind, ...content) {
  const e = document.createElement(tag);
  if (kind) e.className = kind;
  e.append(...content);
  return e;
}

// row makes a row of a list: the main text, what stands at its end, and a note below.
function row(main, side, note) {
  const li = element("li", "", element("span", "main", ...[main].flat()), element("span", "side", ...[side].flat()));
  if (note) li.append(element("span", "note", note));
  return li;
}

// show fills a list with rows, or says that there are none.
function show(id, rows, none) {
  by(id).replaceChildren(...(rows.length ? rows : [element("li", "none", none)]));
}

// span says how long a time is.
function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} days`;
}

// plain is an address without its kind.
const plain = (address) => address.split("/")[0];

// on names an adapter, where there are several.
const on = (state, adapter) => (adapter && state.adapters.length > 1 ? ` on ${adapter}` : "");

const since = (state, time) => span(new Date(state.now) - new Date(time));

function total(name, value, rest) {
  return element("div", "", element("dt", "", name), element("dd", "", String(value), element("small", "", rest || "")));
}

let before; // the state before, for the number of reports a second

function showTotals(state) {
  let rate = "–";
  if (before && new Date(state.now) > new Date(before.now) && state.reports >= before.reports) {
    rate = Math.round(((state.reports - before.reports) * 1000) / (new Date(state.now) - new Date(before.now)));
  }
  before = state;
  by("totals").replaceChildren(
    total("Devices on air", state.on_air),
    total("Slots taken", state.slots.used, ` of ${state.slots.limit}`),
    total("Clients", state.clients.length),
    total("Reports", rate, " a second"),
    ...(state.lost ? [total("Lost", state.lost, " messages")] : []),
  );
}

function showAdapters(state) {
  show("adapters", state.adapters.map((a) => {
    const works = a.state === "up";
    const status = element("span", works && !a.error ? "good" : "bad", works ? (a.scanning ? "up, hears devices" : "up, does not scan") : a.state);
    const slots = a.slots === null ? `${a.used} slots taken` : `${a.used} of ${a.slots} slots taken`;
    return row([a.name, element("span", "quiet", a.address ? ` ${a.address}` : "")], [status, ` · ${slots}`], a.error);
  }), "No adapter.");
}

function showLinks(state) {
  show("links", state.links.map((l) => row(
    [l.name || plain(l.address), element("span", "quiet", l.name ? ` ${plain(l.address)}` : "")],
    (l.up ? `up for ${since(state, l.since)}` : `connecting for ${since(state, l.since)}`) + (l.up ? on(state, l.adapter) : "") + ` · ${l.client}`,
  )), "No client uses a device.");
}

function showClients(state) {
  show("clients", state.clients.map((c) => row(
    [c.name || "a client", element("span", "quiet", ` ${c.address}`)],
    [`for ${since(state, c.since)}`, c.reports ? " · hears devices" : "", c.links ? ` · ${c.links} links` : "",
      element("span", "bad", c.lost ? ` · lost ${c.lost} messages` : "")],
  )), "No client is connected.");
}

function showFailures(state) {
  by("failures-section").hidden = state.failures.length === 0;
  show("failures", state.failures.map((f) => row(
    [f.name || plain(f.address), element("span", "bad", ` ${f.error}`)],
    (f.count > 1 ? `${f.count} times, ` : "") + `${since(state, f.time)} ago` + on(state, f.adapter),
    f.advice ? f.advice[0].toUpperCase() + f.advice.slice(1) + "." : "",
  )), "");
}

// Signal strengths at the bottom and at the top of a line, in dBm.
const weakest = -100, strongest = -45;

// path draws the signal strengths of a device; it is interrupted where nothing was heard.
function path(line) {
  const y = (v) => (36 * (strongest - Math.min(strongest, Math.max(weakest, v)))) / (strongest - weakest) + 2;
  const first = 150 - line.length; // the newest is at the right
  let d = "", down = false;
  line.forEach((v, i) => {
    if (v === 0) {
      down = false;
      return;
    }
    const x = first + i;
    d += down ? `L${x} ${y(v).toFixed(1)}` : `M${x - 0.4} ${y(v).toFixed(1)}L${x} ${y(v).toFixed(1)}`;
    down = true;
  });
  return d;
}

// card makes the card of a device, and the function that updates it.
function card() {
  const title = element("span", "title"), rssi = element("span", "rssi quiet"), address = element("div", "address"), values = element("div", "values");
  const svg = document.createElementNS(svgNames, "svg");
  svg.setAttribute("viewBox", "0 0 150 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const base = document.createElementNS(svgNames, "path"), line = document.createElementNS(svgNames, "path");
  base.setAttribute("class", "base");
  base.setAttribute("d", "M0 39.5H150");
  line.setAttribute("class", "line");
  svg.append(base, line);
  const li = element("li", "", element("div", "top", title, rssi), address, svg, values);
  const update = (d, state) => {
    title.textContent = d.name || "no name";
    title.title = d.name || "";
    title.classList.toggle("quiet", !d.name);
    rssi.textContent = d.rssi === -127 ? "" : `\u2212${-d.rssi} dBm`;
    address.textContent = plain(d.address) + on(state, d.adapter) + (d.age_ms > 10000 ? ` · ${span(d.age_ms)} ago` : "");
    line.setAttribute("d", path(d.line));
    svg.setAttribute("aria-label", "signal strength over the last minutes");
    values.replaceChildren(...(d.values || []).map((v) => element("span", "", v)));
  };
  return { li, update };
}

const cards = new Map(); // by address

// showDevices keeps the cards in place: named devices first, by name, then by address.
function showDevices(state) {
  by("on-air").textContent = state.on_air > state.devices.length ? `the ${state.devices.length} nearest of ${state.on_air}` : "";
  const present = new Set(state.devices.map((d) => d.address));
  for (const [address, c] of cards) {
    if (!present.has(address)) {
      c.li.remove();
      cards.delete(address);
    }
  }
  const key = (d) => (d.name ? "0" + d.name.toLowerCase() : "1") + d.address;
  const order = [...state.devices].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const list = by("devices");
  order.forEach((d, i) => {
    let c = cards.get(d.address);
    if (!c) {
      c = card();
      cards.set(d.address, c);
    }
    c.update(d, state);
    if (list.children[i] !== c.li) list.insertBefore(c.li, list.children[i] || null);
  });
}

function showState(state) {
  document.title = `${state.name} · moor`;
  by("name").textContent = state.name;
  const scan = { idle: "does not scan, since no client wants it to", passive: "scans passively", active: "scans actively" }[state.scan];
  by("about").textContent = `Bluetooth proxy ${state.mac} · ${scan} · up for ${since(state, state.since)} · moor ${state.version}`;
  showTotals(state);
  showFailures(state);
  showAdapters(state);
  showLinks(state);
  showClients(state);
  showDevices(state);
  document.body.dataset.states = Number(document.body.dataset.states || 0) + 1;
}

const events = new EventSource("events");
events.onmessage = (e) => {
  by("offline").hidden = true;
  showState(JSON.parse(e.data));
};
events.onerror = () => {
  by("offline").hidden = false;
};
