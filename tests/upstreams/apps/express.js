// Express, with cookie-parser and method-override as both are commonly set up, behind a trusted
// proxy: node express.js PORT
"use strict";

const express = require("express");
const cookies = require("cookie-parser");
const override = require("method-override");

const app = express();
app.set("trust proxy", true);
app.set("query parser", "extended");
app.use(override("X-HTTP-Method-Override", { methods: null }));
app.use(override("_method", { methods: null }));
app.use(cookies());

const bearer = (value = "") => {
  const [scheme, ...rest] = value.split(" ");
  if (rest.length === 0) return scheme || null;
  return /^(bearer|token)$/i.test(scheme) ? rest.join(" ").trim() : null;
};
const ascii = (text) => text.replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

function route(handler, path, methods = ["all"]) {
  for (const method of methods) {
    app[method](path, (request, response) => {
      // Trailers are there when the body has been read.
      request.resume();
      request.on("end", () => {
        let name = handler;
        if (handler === "hosted" && request.hostname === "admin.example.com") name = "hosted.admin";
        const variables = {};
        for (const [key, value] of Object.entries(request.params)) variables[key] = [].concat(value).join("/");
        const saw = {
          handler: name,
          method: request.method,
          vars: variables,
          host: request.hostname,
          sub: request.headers["x-cognito-sub"],
          groups: request.get("x-cognito-groups"),
          bearer: bearer(request.headers.authorization),
          header: request.get("x-id-token"),
          cookie: request.cookies.access_token,
          query: request.query.access_token,
          trailers: Object.keys(request.trailers),
        };
        response.set("x-saw", ascii(JSON.stringify(saw))).end();
      });
    });
  }
}

route("open", "/open");
route("open.item", "/open/:x");
route("admin", "/admin");
route("admin.item", "/admin/:x");
route("user", "/users/:id");
route("report.delete", "/reports/:n/delete");
route("payments.list", "/payments", ["get"]);
route("payments.pay", "/payments", ["post"]);
route("payments.void", "/payments", ["delete"]);
route("order.show", "/orders/:id", ["get"]);
route("order.remove", "/orders/:id", ["delete"]);
route("hosted", "/hosted");
route("internal", "/internal/:x");
route("files", "/files/*path");

app.listen(Number(process.argv[2]), "127.0.0.1");
