"use strict";

const api = document.getElementById("api");

SwaggerUIBundle({
  url: api.dataset.spec,
  domNode: api,
  deepLinking: true,
  // The default asks a server elsewhere to judge the document.
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  tryItOutEnabled: true,
});
