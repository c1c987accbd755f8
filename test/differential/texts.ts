// Short ways to write messages in rows. A line is a field line without its end.

/** One message: start line, Host unless a line is one, field lines, body. */
export const request = (startLine: string, lines: readonly string[] = [], body = ''): string =>
  `${startLine}\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;

export const get = (path = '/', ...lines: readonly string[]): string =>
  request(`GET ${path} HTTP/1.1`, lines);

/** With Content-Length. */
export const post = (body: string, ...lines: readonly string[]): string =>
  request('POST / HTTP/1.1', [...lines, `content-length: ${body.length}`], body);

/** `raw` is what follows the head: chunks, or what is none. */
export const chunked = (raw: string, ...lines: readonly string[]): string =>
  request('POST / HTTP/1.1', [...lines, 'transfer-encoding: chunked'], raw);

export const answer = (status: string, lines: readonly string[] = [], body = ''): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;

/** 200 with Content-Length. */
export const ok = (body = 'ok', ...lines: readonly string[]): string =>
  answer('200 OK', [...lines, `content-length: ${body.length}`], body);
