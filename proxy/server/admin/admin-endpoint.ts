// [m] What an admin endpoint is: a row of the table, its parameters and a function from context and query to an answer.
import type { AdminContext } from '../admin-context.ts';
import type { AdminQuery } from './admin-query.ts';

export interface AdminResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Beyond the common ones. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AdminParameter {
  readonly id: string;
  readonly help: string;
  /** `flag`: only its presence counts. */
  readonly kind: 'text' | 'flag' | 'choice';
  /** Of a choice. */
  readonly values: readonly string[];
}

export type AdminHandler = (
  context: AdminContext,
  query: AdminQuery,
) => AdminResponse | Promise<AdminResponse>;

export interface AdminRoute {
  readonly path: string;
  readonly help: string;
  /** Changes something: POST is required. */
  readonly mutates: boolean;
  readonly parameters: readonly AdminParameter[];
  readonly handle: AdminHandler;
}

export const TEXT = 'text/plain; charset=UTF-8';
export const JSON_TYPE = 'application/json';
export const HTML = 'text/html; charset=UTF-8';

export const textResponse = (body: string, status = 200): AdminResponse => ({
  status,
  contentType: TEXT,
  body,
});
export const htmlResponse = (body: string): AdminResponse => ({
  status: 200,
  contentType: HTML,
  body,
});

export const OK: AdminResponse = textResponse('OK\n');

const ANGLE = /[<>]/g;

/** As protobuf prints it: one space a level, angle brackets escaped, a newline at the end. */
export function jsonResponse(
  value: unknown,
  headers?: Readonly<Record<string, string>>,
): AdminResponse {
  const body = `${JSON.stringify(value, null, 1).replace(ANGLE, (char) => (char === '<' ? '\\u003c' : '\\u003e'))}\n`;
  return {
    status: 200,
    contentType: JSON_TYPE,
    body,
    ...(headers === undefined ? {} : { headers }),
  };
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
