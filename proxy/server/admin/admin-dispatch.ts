// [m] From method, target and form to an answer: finds the endpoint, asks for POST, bounds the query.
import type { AdminContext } from '../admin-context.ts';
import { textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import { AdminQuery, MAX_QUERY_CHARS } from './admin-query.ts';
import { findAdminRoute, unknownPath } from './admin-routes.ts';

export interface AdminRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  /** Body of a form; '' when there was none. Used where the target has no query. */
  readonly form: string;
}

/** Never rejects: an endpoint that throws is a 500. */
export async function dispatchAdmin(
  context: AdminContext,
  request: AdminRequest,
): Promise<AdminResponse> {
  const { method, target } = request;
  const question = target.indexOf('?');
  const route = findAdminRoute(question < 0 ? target : target.slice(0, question));
  if (route === undefined) return unknownPath();
  if (route.mutates && method !== 'POST')
    return textResponse(`Method ${method} not allowed, POST required.`, 405);
  const queryText = question < 0 ? request.form : target.slice(question + 1);
  if (queryText.length > MAX_QUERY_CHARS) {
    return textResponse(`query is longer than ${MAX_QUERY_CHARS} characters\n`, 400);
  }
  try {
    return await route.handle(context, AdminQuery.parse(queryText));
  } catch (error) {
    return textResponse(
      `${route.path} failed: ${error instanceof Error ? error.message : String(error)}\n`,
      500,
    );
  }
}
