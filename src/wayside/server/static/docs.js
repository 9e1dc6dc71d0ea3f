// The API's reference, drawn from /openapi.json. Everything is set as text, nothing as markup.
"use strict";

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items) || "any"}, repeatable`;
  const either = schema.anyOf || schema.oneOf;
  if (either) return either.map(typeOf).join(" or ");
  const kind = [].concat(schema.type || "any").join(" or ");
  const bounds = [
    schema.minimum !== undefined ? `from ${schema.minimum}` : "",
    schema.maximum !== undefined ? `to ${schema.maximum}` : "",
    schema.default !== undefined ? `default ${schema.default}` : "",
  ].filter(Boolean);
  return [schema.format || kind, ...bounds].join(", ");
}

function table(heads, rows) {
  const head = element("tr", "", ...heads.map((text) => element("th", text)));
  const body = rows.map((cells) => element("tr", "", ...cells.map((text) => element("td", text))));
  return element("table", "", element("thead", "", head), element("tbody", "", ...body));
}

function section(title, ...parts) {
  return [element("p", title), ...parts];
}

function operation(method, path, described) {
  const summary = element(
    "summary",
    "",
    element("code", `${method.toUpperCase()} ${path}`),
    " ",
    element("span", described.summary || ""),
  );
  const box = element("details", "", summary);
  if (described.description) box.append(element("p", described.description));
  const parameters = described.parameters || [];
  if (parameters.length) {
    const rows = parameters.map((p) => [
      p.name + (p.required ? " (required)" : ""),
      p.in,
      typeOf(p.schema),
      p.description || "",
    ]);
    box.append(...section("Parameters", table(["Name", "In", "Type", "Meaning"], rows)));
  }
  for (const [media, body] of Object.entries((described.requestBody || {}).content || {})) {
    const shown = body.example !== undefined ? body.example : body.schema;
    const text = typeof shown === "string" ? shown : JSON.stringify(shown, null, 2);
    box.append(...section(`Body: ${media}`, element("pre", text)));
  }
  const replies = Object.entries(described.responses || {}).map(([status, reply]) => [
    status,
    reply.description || "",
    Object.keys(reply.content || {}).join(", "),
  ]);
  box.append(...section("Answers", table(["Status", "Meaning", "As"], replies)));
  box.dataset.text = `${method} ${path} ${described.summary || ""}`.toLowerCase();
  return box;
}

function draw(api) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const tag = (described.tags || ["Other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(method, path, described));
    }
  }
  const main = document.getElementById("operations");
  for (const [tag, boxes] of groups) main.append(element("section", "", element("h2", tag), ...boxes));
  document.getElementById("state").textContent = `Version ${api.info.version}.`;
}

function find(event) {
  const wanted = event.target.value.toLowerCase().trim();
  for (const part of document.querySelectorAll("section")) {
    let shown = 0;
    for (const box of part.querySelectorAll("details")) {
      box.hidden = !box.dataset.text.includes(wanted);
      shown += box.hidden ? 0 : 1;
    }
    part.hidden = shown === 0;
  }
}

document.getElementById("find").addEventListener("input", find);
fetch("/openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
  .then(draw)
  .catch((error) => {
    document.getElementById("state").textContent = `The description cannot be loaded: ${error.message}.`;
  });
