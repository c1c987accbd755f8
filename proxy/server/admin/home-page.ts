// [m] `/`: the endpoints as a page, with a form for each; what changes something is a button.
import { escapeHtml, htmlResponse } from './admin-endpoint.ts';
import type { AdminParameter, AdminResponse, AdminRoute } from './admin-endpoint.ts';

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}' +
  'h1{font-weight:600}li{list-style:none;padding:.5rem 0;border-top:1px solid #ddd}ul{padding:0}' +
  'p{margin:.1rem 0;color:#555}label{display:inline-block;margin:.2rem 1rem .2rem 0;font-size:.85rem}';

export function homePage(routes: readonly AdminRoute[]): AdminResponse {
  const items = routes.filter(({ path }) => path !== '/').map(routeItem);
  return htmlResponse(
    `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Outrigger admin</title>` +
      `<style>${STYLE}</style></head>\n<body><h1>Outrigger admin</h1>\n<ul>\n${items.join('\n')}\n</ul></body></html>\n`,
  );
}

function routeItem({ path, help, mutates, parameters }: AdminRoute): string {
  // Paths are relative, so that the page works behind a port-forward with a prefix.
  const action = escapeHtml(path.slice(1));
  const head = mutates
    ? `<button>${escapeHtml(path)}</button>`
    : `<a href="${action}">${escapeHtml(path)}</a>`;
  const send = !mutates && parameters.length > 0 ? ' <button>go</button>' : '';
  return (
    `<li><form action="${action}" method="${mutates ? 'post' : 'get'}">${head}` +
    `<p>${escapeHtml(help)}</p>${parameters.map(parameterInput).join('')}${send}</form></li>`
  );
}

function parameterInput({ id, help, kind, values }: AdminParameter): string {
  const name = escapeHtml(id);
  const title = escapeHtml(help);
  const options = values.map((value) => `<option>${escapeHtml(value)}</option>`).join('');
  const inputs = {
    flag: `<input type="checkbox" name="${name}" value="">`,
    text: `<input name="${name}">`,
    choice: `<select name="${name}"><option></option>${options}</select>`,
  };
  return `<label title="${title}">${name} ${inputs[kind]}</label>`;
}
