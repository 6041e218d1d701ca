// Decodes the figures of the page and draws them with Plotly as they come into view.
(() => {
  "use strict";
  const content = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const NAN = -32768;

  // Arrays: see pack.rs.
  function bytes(text) {
    const raw = atob(text);
    const out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return new DataView(out.buffer);
  }
  function array(packed) {
    if (Array.isArray(packed)) return packed;
    if (packed.f32 !== undefined) {
      const view = bytes(packed.f32);
      return Array.from({ length: view.byteLength / 4 }, (_, i) => {
        const value = view.getFloat32(4 * i, true);
        return Number.isNaN(value) ? null : value;
      });
    }
    const view = bytes(packed.i16);
    const [rows, columns] = packed.shape;
    return Array.from({ length: rows }, (_, r) =>
      Array.from({ length: columns }, (_, c) => {
        const value = view.getInt16(2 * (r * columns + c), true);
        return value === NAN ? null : value * packed.scale;
      }));
  }
  function resolved(value) {
    if (Array.isArray(value)) return value.map(resolved);
    if (value === null || typeof value !== "object") return value;
    if (value.$ !== undefined) return array(content.arrays[value.$]);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner)]));
  }

  // Light and dark: what the system says, until the button is pressed.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  function themed(figure, width) {
    const css = getComputedStyle(root);
    const colour = (name) => css.getPropertyValue(name).trim();
    const axis = (of) => ({
      ...of, gridcolor: colour("--grid"), zerolinecolor: colour("--grid"), linecolor: colour("--grid"),
      showgrid: !figure.heat && of.type !== "category", zeroline: false, exponentformat: of.type === "log" ? "power" : "none", tickfont: { size: 11 },
      title: { ...of.title, standoff: 8, font: { size: 12 } },
    });
    const layout = {
      ...figure.layout, xaxis: axis(figure.layout.xaxis), yaxis: axis(figure.layout.yaxis),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: colour("--text") },
      margin: { l: 56, r: 12, t: 32, b: 48 }, autosize: true,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent") },
      height: figure.heat ? Math.max(280, Math.min(520, width * 0.9)) : 340,
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--accent"), font: { color: colour("--text") } },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 } },
    };
    // Room above for the legend's lines.
    if (layout.showlegend) layout.margin.t = 40 + 19 * Math.ceil((figure.data.length * 120) / Math.max(width - 70, 1));
    layout.height += layout.margin.t - 32;
    const scales = content.scales[dark() ? "dark" : "light"];
    const data = resolved(figure.data).map((trace) =>
      (figure.heat ? { ...trace, colorscale: scales[trace.colorscale] } : trace));
    return [data, layout];
  }

  // A view is a set of figures, one frame of which is shown.
  const views = [...document.querySelectorAll(".view")].map((element, v) => ({
    element, frames: content.views[v].frames, at: 0, drawn: false, busy: Promise.resolve(),
    panels: [...element.querySelectorAll("figure")],
  }));
  const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  async function show(view) {
    const frame = view.frames[view.at];
    for (const [i, panel] of view.panels.entries()) {
      const figure = frame.figures[i];
      panel.hidden = figure === undefined;
      if (figure === undefined) continue;
      panel.querySelector("figcaption").textContent = figure.title;
      panel.querySelector(".note").textContent = figure.note || "";
      const plot = panel.querySelector(".plot");
      const [data, layout] = themed(figure, plot.clientWidth);
      await Plotly.react(plot, data, layout, config);
    }
  }
  // One drawing at a time, and of several changes the last.
  function draw(view) {
    view.drawn = true;
    if (!view.waiting) {
      view.waiting = true;
      view.busy = view.busy.then(() => {
        view.waiting = false;
        return show(view);
      });
    }
    return view.busy;
  }
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      near.unobserve(entry.target);
      const view = views[entry.target.dataset.view];
      if (!view.drawn) draw(view);
    }
  }, { rootMargin: "300px" });
  for (const view of views) {
    near.observe(view.element);
    const control = view.element.querySelector("select, input[type=range]");
    if (!control) continue;
    control.value = "0"; // a reload may keep another
    control.addEventListener("input", () => {
      view.at = Number(control.value);
      const label = view.frames[view.at].label;
      const output = view.element.querySelector("output");
      if (output) {
        output.textContent = label;
        control.setAttribute("aria-valuetext", label);
      }
      draw(view);
    });
  }

  function name() {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `switch to ${dark() ? "light" : "dark"} colours`);
  }
  const redraw = () => {
    name();
    return Promise.all(views.filter((view) => view.drawn).map(draw));
  };
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    redraw();
  });
  system.addEventListener("change", redraw);
  name();

  // Tables: a click sorts by a column, another the other way round; what is no number comes last.
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.querySelectorAll("th")];
    heads.forEach((head, column) => head.querySelector(".sort").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" ||
        (!head.hasAttribute("aria-sort") && !table.tBodies[0].rows[0].cells[column].dataset.value);
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => {
        const cell = row.cells[column];
        const value = cell.dataset.value === undefined ? NaN : Number(cell.dataset.value);
        return [value, cell.textContent];
      };
      const order = ([a, s], [b, t]) => {
        if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
        const by = Number.isNaN(a) ? s.localeCompare(t) : a - b;
        return up ? by : -by;
      };
      const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
      rows.sort(([a], [b]) => order(a, b));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    }));
  }

  // For programs that look at the page: draws everything, in view or not.
  window.irreplens = { drawAll: () => Promise.all(views.map(draw)) };
})();
