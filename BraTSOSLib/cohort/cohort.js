"use strict";
(function () {
  const COLUMNS = [
    { title: "", index: 2, kind: "picture" },
    { title: "Case", index: 0, kind: "name" },
    { title: "State", index: 3, kind: "text" },
    { title: "WT mL", index: 4, kind: "number", digits: 1 },
    { title: "TC mL", index: 5, kind: "number", digits: 1 },
    { title: "ET mL", index: 6, kind: "number", digits: 1 },
    { title: "Age", index: 7, kind: "number", digits: 1 },
    { title: "Category", index: 8, kind: "text" },
    { title: "Predicted days", index: 9, kind: "number" },
    { title: "Observed days", index: 10, kind: "number" },
    { title: "Remarks", index: 11, kind: "note" },
  ];
  const SHOWN = 100;
  const all = JSON.parse(document.getElementById("cases").textContent);
  const search = document.getElementById("search");
  const state = { rows: all, sorted: 1, down: false, page: 0 };

  function value(row, column) {
    const found = row[column.index];
    if (column.kind !== "number") return found === null ? null : String(found);
    return found === null ? null : parseFloat(String(found).replace(">", ""));
  }

  function compare(column) {
    const sign = state.down ? -1 : 1;
    return function (a, b) {
      const x = value(a, column), y = value(b, column);
      if (x === y) return 0;
      if (x === null || x === "") return 1; // what is missing comes last either way
      if (y === null || y === "") return -1;
      return sign * (column.kind === "number" ? x - y : x < y ? -1 : 1);
    };
  }

  function cell(row, column) {
    const td = document.createElement("td");
    const found = row[column.index];
    if (column.kind === "picture") {
      if (found) {
        const image = document.createElement("img");
        image.loading = "lazy";
        image.alt = "";
        image.src = "cases/" + encodeURIComponent(row[0]) + "/thumbnail.png";
        td.append(image);
      }
    } else if (column.kind === "name" && row[1]) {
      const link = document.createElement("a");
      link.href = row[1] + "report.html";
      link.textContent = found;
      td.append(link);
    } else if (column.digits && typeof found === "number") {
      td.textContent = found.toFixed(column.digits);
    } else {
      td.textContent = found === null ? "" : found;
    }
    td.className = column.kind === "number" ? "figure" : column.kind;
    return td;
  }

  function draw() {
    const pages = Math.max(Math.ceil(state.rows.length / SHOWN), 1);
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const first = state.page * SHOWN;
    const body = document.createElement("tbody");
    for (const row of state.rows.slice(first, first + SHOWN)) {
      const tr = document.createElement("tr");
      tr.className = row[3];
      tr.append(...COLUMNS.map((column) => cell(row, column)));
      body.append(tr);
    }
    document.querySelector("#table tbody").replaceWith(body);
    const last = Math.min(first + SHOWN, state.rows.length);
    document.getElementById("where").textContent =
      state.rows.length ? first + 1 + " to " + last + " of " + state.rows.length : "No case";
    document.getElementById("before").disabled = state.page === 0;
    document.getElementById("after").disabled = state.page === pages - 1;
    document.querySelectorAll("#table thead th").forEach((th, index) => {
      if (index === state.sorted) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
  }

  function arrange() {
    const wanted = search.value.trim().toLowerCase();
    state.rows = wanted ? all.filter((row) => row.join(" ").toLowerCase().includes(wanted)) : all.slice();
    state.rows.sort(compare(COLUMNS[state.sorted]));
    state.page = 0;
    draw();
  }

  const head = document.querySelector("#table thead tr");
  COLUMNS.forEach((column, index) => {
    const th = document.createElement("th");
    th.scope = "col";
    if (column.kind === "number") th.className = "figure";
    if (column.title) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => {
        state.down = state.sorted === index && !state.down;
        state.sorted = index;
        arrange();
      });
      th.append(button);
    }
    head.append(th);
  });
  search.addEventListener("input", arrange);
  document.getElementById("before").addEventListener("click", () => { state.page -= 1; draw(); });
  document.getElementById("after").addEventListener("click", () => { state.page += 1; draw(); });
  arrange();
})();
